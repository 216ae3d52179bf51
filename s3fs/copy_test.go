package s3fs

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func TestRanges(t *testing.T) {
	const mib, gib, tib = 1 << 20, 1 << 30, 1 << 40
	for _, test := range []struct {
		size, span int64
		parts      int
		first      int64 // size of the first
	}{
		{1, 0, 1, 1},
		{512 * mib, 0, 1, 512 * mib},
		{512*mib + 1, 0, 2, 256*mib + 1},
		{5*gib + 1, 0, 11, (5*gib + 11) / 11},
		{500 * gib, 0, 1000, 512 * mib},
		{500*gib + 1, 0, 1000, 512*mib + 1},
		{5000 * gib, 0, 1000, 5 * gib},
		{5000*gib + 1, 0, 1001, (5000*gib + 1001) / 1001},
		{50000 * gib, 0, 10000, 5 * gib}, // 48.8 TiB, the largest object of S3
		{5*mib + 1, 5 * mib, 1, 5*mib + 1},
		{12 * mib, 5 * mib, 2, 6 * mib},
	} {
		spans := (&FS{partCopySize: test.span}).copySpans(test.size)
		next := int64(0)
		for i, s := range spans {
			short := test.first - s.size()
			if s.first != next || short != 0 && (i < len(spans)-1 || short < 0 || short >= int64(len(spans))) || s.size() > 5*gib {
				t.Errorf("%d bytes: part %d has %d from %d on, want about %d from %d", test.size, i, s.size(), s.first, test.first, next)
			}
			next = s.last + 1
		}
		if next != test.size || len(spans) != test.parts {
			t.Errorf("%d bytes: %d parts up to %d, want %d", test.size, len(spans), next, test.parts)
		}
	}
}

// A part is copied only if the answer of S3 confirms it.
func TestCopyPartFaults(t *testing.T) {
	for name, answer := range map[string]func() *http.Response{
		"refused":              func() *http.Response { return refusal(412, "PreconditionFailed", "") },
		"an error in a 200":    func() *http.Response { return refusal(200, "InternalFault", "") },
		"a 200 without a part": func() *http.Response { return response(200, "<CopyPartResult></CopyPartResult>") },
	} {
		s := newFake(t)
		s.fault = func(*http.Request, string) (*http.Response, error) { return answer(), nil }
		etag, err := s.fs(Options{}).copyPart(t.Context(), multipartUpload{"k", "id"}, "s", "e", 1, span{0, 9})
		if err == nil || etag != nil || !strings.Contains(err.Error(), `copying bytes 0 to 9 of "s"`) {
			t.Errorf("%s: %v, %v", name, etag, err)
		}
	}
}

// UploadPartCopy creates an object from ranges of another one.
func TestCopyParts(t *testing.T) {
	const size = 3*minPart + 1234
	bothStores(t, func(t *testing.T, c *Client) {
		f := NewFS(c, Options{Bucket: "files"})
		f.partCopySize = minPart
		source := putWithHeaders(t, f, "a b+c/ü", size)
		in := createInputLike(source)
		in.Bucket, in.Key = &f.bucket, aws.String("copy")
		var err error
		if in.Tagging, err = f.objectTags(t.Context(), "a b+c/ü", source); err != nil {
			t.Fatal(err)
		}
		out, err := f.api.CreateMultipartUpload(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		to := multipartUpload{"copy", aws.ToString(out.UploadId)}
		var parts []types.CompletedPart
		for i, s := range f.copySpans(size) {
			n := int32(i + 1)
			if _, err := f.copyPart(t.Context(), to, "a b+c/ü", "0123456789abcdef", n, s); !isConditionFailed(err) {
				t.Errorf("part %d of another version: %v", n, err)
			}
			etag, err := f.copyPart(t.Context(), to, "a b+c/ü", unquote(source.ETag), n, s)
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, types.CompletedPart{ETag: etag, PartNumber: &n})
		}
		if _, err := f.api.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{Bucket: &f.bucket, Key: &to.key,
			UploadId: &to.id, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}}); err != nil {
			t.Fatal(err)
		}
		if got, want := copiedHeaders(t, f, "copy"), copiedHeaders(t, f, "a b+c/ü"); !maps.Equal(got, want) || want["tags"] != "state=new%2B&team=a%20b%3Dc" {
			t.Errorf("the copy has   %v\nthe source has %v", got, want)
		}
		checkObject(t, f, "copy", noise(size))
	})
}
