package s3fs

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// If the service refuses the storage class of the source, the copy gets the default class of the bucket.
func TestStorageClassRefused(t *testing.T) {
	s := newFake(t)
	s.makeTree(2, 1, refusing(func(r *http.Request, call string) bool {
		return call == "Copy" && r.Header.Get("X-Amz-Storage-Class") != ""
	}, 400, "InvalidStorageClass", ""))
	f := s.fs(Options{})
	for range 2 {
		if _, err := f.Rename(t.Context(), "/d", "/e", true); err != nil {
			t.Fatal(err)
		}
		s.copies.Clear()
	}
	if got := f.client.Refusals(); len(got) != 1 || got[0].Feature != storageClass || got[0].Scope != "GLACIER_IR" {
		t.Errorf("refusals %v", got)
	}
}

// If UploadPartCopy supports no condition on the source, the source is compared before and after each part.
func TestSourceConditionRefused(t *testing.T) {
	for name, changed := range map[string]int{"unchanged": 0, "changed before": 3, "changed meanwhile": 4} {
		s := newFake(t)
		heads := 0
		s.copying(func(r *http.Request, call string) (*http.Response, error) {
			switch {
			case call == "PartCopy 1" && r.Header.Get("X-Amz-Copy-Source-If-Match") != "":
				return refusal(501, "NotImplemented", "x-amz-copy-source-if-match"), nil
			case call == "Head" && strings.HasSuffix(r.URL.Path, "/large"):
				if heads++; heads == changed {
					return described(2*minPart, `"new"`), nil
				}
			}
			return nil, nil
		})
		f := s.fs(Options{})
		o := object{key: "large", size: minPart, etag: "e"}
		heads = 2
		_, err := f.copyPart(t.Context(), multipartUpload{"copy", "id"}, o.key, o.etag, 1, span{0, minPart - 1})
		if (err != nil) != (changed > 0) || err != nil && !isConditionFailed(err) {
			t.Errorf("%s: %v, requests %q", name, err, s.requests())
		}
	}
}

// Copies of a directory have If-None-Match, and a copy that sets a time has a condition on the content.
func TestCopyConditions(t *testing.T) {
	s := newFake(t)
	s.makeTree(2, 1, nil)
	if _, err := s.fs(Options{}).Rename(t.Context(), "/d", "/e", true); err != nil {
		t.Fatal(err)
	}
	if got := s.header("Copy", "If-None-Match"); got != "*" {
		t.Errorf("If-None-Match %q", got)
	}
	s = newFake(t)
	s.copying(func(_ *http.Request, call string) (*http.Response, error) {
		if call == "Copy" {
			return response(200, `<R><ETag>"e"</ETag></R>`), nil
		}
		return nil, nil
	})
	if _, err := s.fs(Options{}).SetTime(t.Context(), "/large", time.Unix(2, 0)); err != nil {
		t.Fatal(err)
	}
	if got := s.header("Copy", "If-Match"); got != `"e"` {
		t.Errorf("If-Match %q", got)
	}
}

// A copy of a directory's file does not replace an object that another client has stored meanwhile. A copy that S3 has made is not taken
// for such an object if only the answer was lost.
func TestDirectoryCopyReplacesNoObject(t *testing.T) {
	for name, test := range map[string]struct {
		lost bool
		etag string
		want error
	}{
		"another's":           {want: fs.ErrExist, etag: `"other"`},
		"ours":                {lost: true, etag: `"e"`},
		"another's meanwhile": {lost: true, etag: `"other"`, want: fs.ErrExist},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newFake(t)
			s.fault = func(r *http.Request, call string) (*http.Response, error) {
				switch {
				case call == "Copy" && test.lost && len(s.requests()) == 1:
					return nil, errors.New("connection reset by peer")
				case call == "Copy":
					return refusal(412, "PreconditionFailed", ""), nil
				case call == "Head" && strings.HasSuffix(r.URL.Path, "/to"):
					return described(1, test.etag), nil
				case call == "Head":
					return described(1, `"e"`), nil
				}
				return nil, nil
			}
			f := s.fs(Options{})
			_, err := f.copy(t.Context(), object{key: "from", size: 1, etag: "e"}, "to", ifAbsent, f.newNameLock("to"))
			if !errors.Is(err, test.want) {
				t.Errorf("%s: %v, want %v", name, err, test.want)
			}
		})
	}
}

// On AWS, a copy of an object in parts has another ETag than its source. The checksum of the whole object identifies it.
func TestCopyIsIdentifiedByChecksum(t *testing.T) {
	for sum, want := range map[string]bool{"AAAAAA==": true, "AAAAAQ==": false, "": false} {
		s := newFake(t)
		s.fault = func(r *http.Request, _ string) (*http.Response, error) {
			resp := described(1, `"e-2"`)
			resp.Header.Set("X-Amz-Checksum-Type", "FULL_OBJECT")
			resp.Header.Set("X-Amz-Checksum-Crc32c", "AAAAAA==")
			if strings.HasSuffix(r.URL.Path, "/to") {
				resp.Header.Set("ETag", `"copy"`)
				resp.Header.Set("X-Amz-Checksum-Crc32c", sum)
			}
			return resp, nil
		}
		if got := s.fs(Options{}).wasCopied(t.Context(), object{key: "from", size: 1, etag: "e-2"}, "to"); got != want {
			t.Errorf("checksum %q: %v, want %v", sum, got, want)
		}
	}
}

// A rename keeps the website redirect, which S3 does not copy.
func TestRenameKeepsRedirect(t *testing.T) {
	to := "/elsewhere"
	in := newFake(t).fs(Options{}).copyInput(object{key: "a", head: &s3.HeadObjectOutput{WebsiteRedirectLocation: &to}}, "b")
	if in.WebsiteRedirectLocation == nil || *in.WebsiteRedirectLocation != to {
		t.Errorf("%v", in.WebsiteRedirectLocation)
	}
}

// The copy source of an access point has its ARN instead of the bucket, and /object/ before the key.
func TestCopySourceOfAccessPoint(t *testing.T) {
	arn := "arn:aws:s3:us-west-2:123456789012:accesspoint/mine"
	if got := copySource(arn, "a/b c"); got != "arn%3Aaws%3As3%3Aus-west-2%3A123456789012%3Aaccesspoint/mine/object/a/b%20c" {
		t.Error(got)
	}
}

// An object with metadata that headers cannot represent is not copied, because the copy would lose it.
func TestObjectWithMissingMetadataIsNotCopied(t *testing.T) {
	s := newFake(t)
	s.fault = func(*http.Request, string) (*http.Response, error) {
		resp := described(1, `"e"`)
		resp.Header.Set("X-Amz-Missing-Meta", "2")
		return resp, nil
	}
	if _, err := s.fs(Options{}).SetTime(t.Context(), "/f", time.Unix(1, 0)); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("error %v", err)
	}
	s.checkCalls("Head")
	odd := &s3.HeadObjectOutput{MissingMeta: aws.Int32(2), ContentType: aws.String("text/plain")}
	if in := s.fs(Options{}).copyInput(object{key: "a.txt", head: odd}, "a.png"); in.MetadataDirective != "" {
		t.Errorf("the copy replaces the metadata: %v", in.MetadataDirective)
	}
}

// Dell ECS answers CompleteMultipartUpload with the ETag "00". The copy is complete if HEAD returns its size.
func TestCopyWithoutETag(t *testing.T) {
	for size, want := range map[int64]bool{2 * minPart: true, minPart: false} {
		s := newFake(t)
		s.copying(func(r *http.Request, call string) (*http.Response, error) {
			switch {
			case call == "Complete":
				return done(response(200, `<R><ETag>"00"</ETag></R>`)), nil
			case call == "Head" && strings.HasSuffix(r.URL.Path, "/copy"):
				return described(size, `"opaque"`), nil
			case strings.HasPrefix(call, "Part"):
				return response(200, `<R><ETag>"opaque"</ETag></R>`), nil
			}
			return nil, nil
		})
		f := inSmallParts(s.fs(Options{}))
		_, err := f.copy(t.Context(), object{key: "large", size: 2 * minPart, etag: "e"}, "copy", condition{}, f.newNameLock("to"))
		if (err == nil) != want {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// Error codes that mean a refusal must not count as a failure of the service.
func TestRefusalCodes(t *testing.T) {
	for code, want := range map[string]error{
		"InvalidObjectState": fs.ErrPermission, "ObjectNotInActiveTierError": fs.ErrPermission, "MetadataTooLarge": syscall.E2BIG,
	} {
		s := newFake(t)
		s.fault = func(*http.Request, string) (*http.Response, error) { return refusal(403, code, ""), nil }
		f := s.fs(Options{})
		if _, err := f.copy(t.Context(), object{key: "a", etag: "e"}, "b", condition{}, f.newNameLock("b")); !errors.Is(err, want) {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// On AWS, the tags of a version need a separate permission, so the request for tags has no version.
func TestTagsAreRequestedWithoutVersion(t *testing.T) {
	s := newFake(t)
	var asked string
	s.fault = func(r *http.Request, _ string) (*http.Response, error) {
		asked = r.URL.RawQuery
		return response(200, "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"), nil
	}
	is := &s3.HeadObjectOutput{TagCount: aws.Int32(1), VersionId: aws.String("v")}
	tags, err := s.fs(Options{}).objectTags(t.Context(), "a", is)
	if err != nil || aws.ToString(tags) != "a=b" || strings.Contains(asked, "versionId") {
		t.Errorf("%v, %v, requests: %s", tags, err, asked)
	}
}

// S3 accepts a copy range only for sources over 5 MiB, so an object that becomes one part is copied without a range.
func TestCopyOfWholeObjectHasNoRange(t *testing.T) {
	for size, want := range map[int64]string{minPart: "", 2 * minPart: "bytes=0-5242879"} {
		s := newFake(t)
		s.copying(func(*http.Request, string) (*http.Response, error) { return nil, nil })
		f := inSmallParts(s.fs(Options{}))
		f.copyInParts(t.Context(), object{key: "large", size: size, etag: "e"}, &s3.CreateMultipartUploadInput{Key: aws.String("copy")}, condition{}, f.newNameLock("copy"))
		if got := s.header("PartCopy 1", "X-Amz-Copy-Source-Range"); got != want {
			t.Errorf("%d bytes: range %q, want %q", size, got, want)
		}
	}
}

// If the service refuses the storage class of the object, an append creates one with the default class of the bucket. A class that is
// configured for uploads is never replaced.
func TestAppendStorageClassRefused(t *testing.T) {
	for call, size := range map[string]int64{"Put": 4, "Create": 2 * minPart} {
		s := newFake(t)
		s.fault = func(r *http.Request, now string) (*http.Response, error) {
			switch {
			case now == call && r.Header.Get("X-Amz-Storage-Class") != "":
				return refusal(400, "InvalidStorageClass", ""), nil
			case now == "Head" && !strings.HasSuffix(r.URL.Path, "/new"):
				resp := headAnswer(map[string]string{"ETag": `"e"`, "X-Amz-Storage-Class": "WARM-TIER"}, int(size))
				return resp, nil
			case now == "Get":
				resp := tagged("e")
				resp.ContentLength, resp.Body = 4, io.NopCloser(strings.NewReader("kept"))
				return resp, nil
			case strings.HasPrefix(now, "PartCopy "):
				return response(200, "<R><ETag>0123456789abcdef0123456789abcdef</ETag></R>"), nil
			}
			return nil, nil
		}
		f := s.fs(Options{PartSize: minPart})
		for range 2 {
			if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(3), storetest.All()), proxy.Write{}); err != nil {
				t.Errorf("%s: %v", call, err)
			}
		}
		if n := s.count(call); n != 3 {
			t.Errorf("%s: %d requests, want 3", call, n)
		}
		if got := f.client.Refusals(); len(got) != 1 || got[0].Feature != storageClass || got[0].Scope != "WARM-TIER" {
			t.Errorf("%s: refusals %v", call, got)
		}
		f.attributes.StorageClass = "WARM-TIER"
		if _, err := f.Put(t.Context(), "/new", storetest.Source(zeros(map[string]int{"Put": 4, "Create": twoParts}[call])), proxy.Write{}); err == nil {
			t.Errorf("%s: the configured class was not sent", call)
		}
	}
}

// A copy of an object in parts onto itself has another ETag, which does not mean that another client has replaced it. An object that
// changes before the copy is not copied.
func TestTimeOfPartsWithoutSourceCondition(t *testing.T) {
	for name, test := range map[string]struct {
		etags []string // that HEAD tells then, in turn
		want  bool
	}{"unchanged": {[]string{`"e-2"`}, true}, "changes": {[]string{`"f-2"`, `"g-2"`}, false}} {
		s := newFake(t)
		refused, copied := false, false
		s.fault = func(r *http.Request, call string) (*http.Response, error) {
			switch {
			case call == "Copy" && r.Header.Get("X-Amz-Copy-Source-If-Match") != "":
				refused = true
				return refusal(501, "NotImplemented", "x-amz-copy-source-if-match"), nil
			case call == "Copy":
				copied = true
				return response(200, `<R><ETag>"copy"</ETag></R>`), nil
			case call == "Head" && copied:
				return described(1, `"copy"`), nil
			case call == "Head" && refused:
				return described(1, test.etags[s.count("Head")%len(test.etags)]), nil
			case call == "Head":
				return described(1, `"e-2"`), nil
			}
			return nil, nil
		}
		_, err := s.fs(Options{}).SetTime(t.Context(), "/f", time.Unix(2, 0))
		if (err == nil) != test.want || copied != test.want || err != nil && !errors.Is(err, errBusy) {
			t.Errorf("%s: copied: %v, error %v", name, copied, err)
		}
	}
}

// A service that demands a Content-Length takes UploadPartCopy for UploadPart, with any error code. An append by such a copy is then
// unsupported.
func TestPartCopyWithoutLength(t *testing.T) {
	for _, code := range []string{"MissingContentLength", "LengthRequired", ""} {
		s := newFake(t)
		s.fault = func(_ *http.Request, call string) (*http.Response, error) {
			switch {
			case call == "Head":
				return headAnswer(map[string]string{"ETag": `"e"`}, 2*minPart), nil
			case strings.HasPrefix(call, "PartCopy ") && code == "":
				return response(411, ""), nil
			case strings.HasPrefix(call, "PartCopy "):
				return refusal(411, code, ""), nil
			}
			return nil, nil
		}
		if _, err := s.fs(Options{}).Put(t.Context(), "/f", storetest.Source(zeros(3), storetest.All()), proxy.Write{}); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%q: error %v, want %v", code, err, errors.ErrUnsupported)
		}
	}
}
