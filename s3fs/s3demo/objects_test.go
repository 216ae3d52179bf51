package s3demo_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

var oddKeys = []string{
	"a", "a/b", "a/b/", "a/", "x//y", "../x", "./y", "a/../../b", "/lead", "//", ".", "..",
	"plus+%41&?#.txt", "space in it", "é/ü.txt", "日本語", "quote\"'`", "back\\slash", "tab\tnew\nline", "\x01\x7f", "-dash",
	"*star", "con", "nul", strings.Repeat("k", 1024), strings.Repeat("long/", 200),
}

func TestAnyKey(t *testing.T) {
	o := start(t)
	for i, key := range oddKeys {
		o.put(key, fmt.Appendf(nil, "content %d", i))
	}
	check := func(o *open) {
		t.Helper()
		for i, key := range oddKeys {
			if got, want := string(o.get(key)), fmt.Sprintf("content %d", i); got != want {
				t.Errorf("%q holds %q, want %q", key, got, want)
			}
		}
		out, err := o.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucketName), EncodingType: "url"})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := int(*out.KeyCount), len(oddKeys); got != want {
			t.Errorf("the listing has %d keys, want %d", got, want)
		}
	}
	check(o)
	o = o.restart()
	check(o)
	for i, key := range oddKeys {
		copied := fmt.Sprintf("copy-%d", i)
		source := bucketName + "/" + strings.ReplaceAll(escape(key), "+", "%2B")
		if _, err := o.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String(bucketName), Key: &copied, CopySource: &source}); err != nil {
			t.Errorf("copying %q: %v", key, err)
		}
		if _, err := o.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucketName), Key: &key}); err != nil {
			t.Errorf("deleting %q: %v", key, err)
		}
	}
	if got, want := len(o.keys("", 1000)), len(oddKeys); got != want {
		t.Errorf("after copy and delete there are %d keys, want %d", got, want)
	}
}

func escape(key string) string {
	var b strings.Builder
	for _, c := range []byte(key) {
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

func TestKeyTooLong(t *testing.T) {
	o := start(t)
	key := strings.Repeat("k", 1025)
	_, err := o.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucketName), Key: &key})
	if got := code(t, err); got != "KeyTooLongError" {
		t.Errorf("PutObject: %q", got)
	}
	_, err = o.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String(bucketName), Key: &key})
	if got := code(t, err); got != "KeyTooLongError" {
		t.Errorf("CreateMultipartUpload: %q", got)
	}
}

func TestWhatIsSentComesBack(t *testing.T) {
	o := start(t)
	content := text(1, 300_000)
	in := &s3.PutObjectInput{
		Bucket: aws.String(bucketName), Key: aws.String("k"),
		ContentType: aws.String("text/plain"), CacheControl: aws.String("no-store"),
		Metadata: map[string]string{"mtime": "1700000000", "other": "é"},
		Tagging:  aws.String("a=1"),
	}
	for name, options := range map[string]func(*s3.Options){"signed": func(*s3.Options) {}, "unsigned": unsigned} {
		t.Run(name, func(t *testing.T) {
			in.Body = bytes.NewReader(content)
			put, err := o.PutObject(t.Context(), in, options)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := *put.ETag, `"`+md5Hex(content)+`"`; got != want {
				t.Errorf("PutObject: ETag %s, want %s", got, want)
			}
			o = o.restart()
			head := o.head("k")
			if *head.ETag != *put.ETag || *head.ContentLength != int64(len(content)) {
				t.Errorf("HeadObject: ETag %s, %d bytes", *head.ETag, *head.ContentLength)
			}
			if *head.ContentType != "text/plain" || *head.CacheControl != "no-store" || !maps.Equal(head.Metadata, in.Metadata) {
				t.Errorf("HeadObject: %s, %s, %v", *head.ContentType, *head.CacheControl, head.Metadata)
			}
			if !bytes.Equal(o.get("k"), content) {
				t.Error("the content is another")
			}
		})
	}
}

func TestStoredChecksums(t *testing.T) {
	for _, algorithm := range types.ChecksumAlgorithm("").Values()[:5] {
		t.Run(string(algorithm), func(t *testing.T) {
			o := start(t)
			put, err := o.PutObject(t.Context(), &s3.PutObjectInput{
				Bucket: aws.String(bucketName), Key: aws.String("k"), Body: strings.NewReader("content"), ChecksumAlgorithm: algorithm,
			})
			if err != nil {
				t.Fatal(err)
			}
			want := []*string{put.ChecksumCRC32, put.ChecksumCRC32C, put.ChecksumCRC64NVME, put.ChecksumSHA1, put.ChecksumSHA256}
			if !slices.ContainsFunc(want, func(s *string) bool { return s != nil }) {
				t.Fatal("no checksum in the answer to PutObject")
			}
			o = o.restart()
			source := bucketName + "/k"
			if _, err := o.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String(bucketName), Key: aws.String("copy"), CopySource: &source}); err != nil {
				t.Fatal(err)
			}
			for _, key := range []string{"k", "copy"} {
				head := o.head(key)
				got := []*string{head.ChecksumCRC32, head.ChecksumCRC32C, head.ChecksumCRC64NVME, head.ChecksumSHA1, head.ChecksumSHA256}
				for i := range want {
					if aws.ToString(got[i]) != aws.ToString(want[i]) {
						t.Errorf("%s: checksum %d is %q, want %q", key, i, aws.ToString(got[i]), aws.ToString(want[i]))
					}
				}
				if head.ChecksumType != types.ChecksumTypeFullObject {
					t.Errorf("%s: checksum type %q", key, head.ChecksumType)
				}
			}
		})
	}
}

func TestRanges(t *testing.T) {
	o := start(t)
	o.put("k", []byte("0123456789"))
	o.put("empty", nil)
	for _, c := range []struct{ key, span, want, code string }{
		{"k", "bytes=0-0", "0", ""},
		{"k", "bytes=3-5", "345", ""},
		{"k", "bytes=7-", "789", ""},
		{"k", "bytes=7-100", "789", ""},
		{"k", "bytes=-3", "789", ""},
		{"k", "bytes=-100", "0123456789", ""},
		{"k", "bytes=10-", "", "InvalidRange"},
		{"empty", "bytes=0-", "", "InvalidRange"},
	} {
		out, err := o.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucketName), Key: &c.key, Range: &c.span})
		if got := code(t, err); got != c.code {
			t.Errorf("%s %s: %q, want %q", c.key, c.span, got, c.code)
		}
		if err != nil {
			continue
		}
		content, err := io.ReadAll(out.Body)
		if out.Body.Close(); string(content) != c.want || err != nil {
			t.Errorf("%s %s: %q, %v, want %q", c.key, c.span, content, err, c.want)
		}
	}
}

func TestConditions(t *testing.T) {
	o := start(t)
	tag := *o.put("k", []byte("content")).ETag
	multi := o.multipart("m", 1, 5*mib, 10)
	other := `"00000000000000000000000000000000"`
	get := func(key string, match, none *string) error {
		out, err := o.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucketName), Key: &key, IfMatch: match, IfNoneMatch: none})
		if err == nil {
			out.Body.Close()
		}
		return err
	}
	put := func(key string, match, none *string) error {
		_, err := o.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucketName), Key: &key, Body: strings.NewReader("content"), IfMatch: match, IfNoneMatch: none})
		return err
	}
	copied := func(key string, match, none *string) error {
		source := bucketName + "/k"
		_, err := o.CopyObject(t.Context(), &s3.CopyObjectInput{
			Bucket: aws.String(bucketName), Key: &key, CopySource: &source, MetadataDirective: "REPLACE", IfMatch: match, IfNoneMatch: none,
		})
		return err
	}
	from := func(key string, match, none *string) error {
		source := bucketName + "/" + key
		_, err := o.CopyObject(t.Context(), &s3.CopyObjectInput{
			Bucket: aws.String(bucketName), Key: aws.String("to"), CopySource: &source, CopySourceIfMatch: match, CopySourceIfNoneMatch: none,
		})
		return err
	}
	for _, c := range []struct {
		name        string
		do          func(string, *string, *string) error
		key         string
		match, none *string
		want        string
	}{
		{"get", get, "k", &tag, nil, ""},
		{"get another", get, "k", &other, nil, "PreconditionFailed"},
		{"get multipart", get, "m", &multi, nil, ""},
		{"get multipart of another count", get, "m", aws.String(strings.Replace(multi, "-2", "-3", 1)), nil, "PreconditionFailed"},
		{"get what is known", get, "m", nil, &multi, "NotModified"},
		{"put over nothing", put, "new", nil, aws.String("*"), ""},
		{"put over something", put, "new", nil, aws.String("*"), "PreconditionFailed"},
		{"put over the same", put, "k", &tag, nil, ""},
		{"put over another", put, "k", &other, nil, "PreconditionFailed"},
		{"put over a missing one", put, "missing", &tag, nil, "NoSuchKey"},
		{"copy over nothing", copied, "new2", nil, aws.String("*"), ""},
		{"copy over something", copied, "new2", nil, aws.String("*"), "PreconditionFailed"},
		{"copy over the same", copied, "new2", &tag, nil, ""},
		{"copy over another", copied, "new2", &other, nil, "PreconditionFailed"},
		{"copy over a missing one", copied, "missing", &tag, nil, "NoSuchKey"},
		{"copy from multipart", from, "m", &multi, nil, ""},
		{"copy from another", from, "m", &tag, nil, "PreconditionFailed"},
		{"copy from what is known", from, "k", nil, &tag, "PreconditionFailed"},
	} {
		if got := code(t, c.do(c.key, c.match, c.none)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestCopyKeepsOrReplacesMetadata(t *testing.T) {
	o := start(t)
	o.put("k", []byte("content"), func(in *s3.PutObjectInput) { in.Metadata = map[string]string{"mtime": "1"} })
	source := bucketName + "/k"
	for _, c := range []struct {
		key       string
		directive types.MetadataDirective
		want      string
	}{{"copy", "COPY", "1"}, {"k", "REPLACE", "2"}, {"other", "REPLACE", "2"}} {
		_, err := o.CopyObject(t.Context(), &s3.CopyObjectInput{
			Bucket: aws.String(bucketName), Key: &c.key, CopySource: &source, MetadataDirective: c.directive, Metadata: map[string]string{"mtime": "2"},
		})
		if err != nil {
			t.Fatalf("copy to %s: %v", c.key, err)
		}
		if got := o.head(c.key).Metadata["mtime"]; got != c.want {
			t.Errorf("%s: mtime %q, want %q", c.key, got, c.want)
		}
	}
	// The copies share their bytes; the end of one is not the end of the others, and neither is a restart.
	for _, gone := range []string{"k", "copy"} {
		if _, err := o.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucketName), Key: &gone}); err != nil {
			t.Fatal(err)
		}
		if got := string(o.get("other")); got != "content" {
			t.Errorf("after the end of %s the other holds %q", gone, got)
		}
		o = o.restart()
	}
	if _, err := o.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucketName), Key: aws.String("other")}); err != nil {
		t.Fatal(err)
	}
	if left := o.files("content"); len(left) != 0 {
		t.Errorf("files left behind: %v", left)
	}
}

func TestDeleteObjects(t *testing.T) {
	o := start(t)
	for _, key := range []string{"a", "b", "c"} {
		o.put(key, []byte(key))
	}
	var gone []types.ObjectIdentifier
	for _, key := range []string{"a", "b", "missing"} {
		gone = append(gone, types.ObjectIdentifier{Key: &key})
	}
	out, err := o.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: aws.String(bucketName), Delete: &types.Delete{Objects: gone}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Deleted) != 3 || len(out.Errors) != 0 {
		t.Errorf("deleted %d, failed %d", len(out.Deleted), len(out.Errors))
	}
	if got := o.keys("", 1000); !slices.Equal(got, []string{"c"}) {
		t.Errorf("left: %q", got)
	}
}

func TestTags(t *testing.T) {
	o := start(t)
	o.put("k", []byte("content"), func(in *s3.PutObjectInput) { in.Tagging = aws.String("a=1") })
	set := &types.Tagging{TagSet: []types.Tag{{Key: aws.String("b"), Value: aws.String("2")}}}
	if _, err := o.PutObjectTagging(t.Context(), &s3.PutObjectTaggingInput{Bucket: aws.String(bucketName), Key: aws.String("k"), Tagging: set}); err != nil {
		t.Fatal(err)
	}
	out, err := o.restart().GetObjectTagging(t.Context(), &s3.GetObjectTaggingInput{Bucket: aws.String(bucketName), Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.TagSet) != 1 || *out.TagSet[0].Key != "b" || *out.TagSet[0].Value != "2" {
		t.Errorf("tags: %v", out.TagSet)
	}
}

func TestMissing(t *testing.T) {
	o := start(t)
	key, none := aws.String("k"), aws.String("no-bucket")
	_, err := o.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucketName), Key: key})
	if got := code(t, err); got != "NoSuchKey" {
		t.Errorf("GetObject: %q", got)
	}
	_, err = o.PutObject(t.Context(), &s3.PutObjectInput{Bucket: none, Key: key, Body: strings.NewReader("x")})
	if got := code(t, err); got != "NoSuchBucket" {
		t.Errorf("PutObject: %q", got)
	}
	_, err = o.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: none})
	if got := code(t, err); got != "NotFound" {
		t.Errorf("HeadBucket: %q", got)
	}
	if _, err := o.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucketName), Key: key}); err != nil {
		t.Errorf("DeleteObject: %v", err)
	}
}

func TestOnlyOneIsFirst(t *testing.T) {
	o := start(t)
	var won, lost int
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			_, err := o.PutObject(t.Context(), &s3.PutObjectInput{
				Bucket: aws.String(bucketName), Key: aws.String("k"), Body: bytes.NewReader(text(byte(i), 10_000)), IfNoneMatch: aws.String("*"),
			})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if code(t, err) == "PreconditionFailed" {
				lost++
			}
		})
	}
	if all.Wait(); won != 1 || lost != 15 {
		t.Errorf("%d won, %d lost", won, lost)
	}
}

func TestReadersSeeOneVersion(t *testing.T) {
	o := start(t)
	const size = 200_000
	o.put("k", bytes.Repeat([]byte{'a'}, size))
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 20 {
				o.put("k", bytes.Repeat([]byte{'a' + byte(i*5+j%5)}, size))
			}
		})
		all.Go(func() {
			for range 20 {
				content := o.get("k")
				if len(content) != size || len(bytes.Trim(content, string(content[:1]))) != 0 {
					t.Errorf("a mixture of %d bytes", len(content))
				}
			}
		})
	}
	all.Wait()
	if left := o.files("content"); len(left) != 1 {
		t.Errorf("%d files for one object", len(left))
	}
}

func TestDownloadOutlivesItsObject(t *testing.T) {
	o := start(t)
	tag := o.multipart("k", 7, 5*mib, 5*mib, 5*mib)
	out, err := o.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucketName), Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if _, err := o.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucketName), Key: aws.String("k")}); err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(content, text(7, 15*mib)) || *out.ETag != tag {
		t.Errorf("%d bytes, ETag %s", len(content), *out.ETag)
	}
}

func TestWrongKeys(t *testing.T) {
	o := start(t)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for _, c := range []struct{ access, secret, want string }{
		{accessKey, "wrong", "SignatureDoesNotMatch"},
		{"nobody", secretKey, "InvalidAccessKeyId"},
	} {
		_, err := client(o.url, transport, c.access, c.secret).ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucketName)})
		answer, ok := errors.AsType[*awshttp.ResponseError](err)
		if got := code(t, err); got != c.want || !ok || answer.HTTPStatusCode() != http.StatusForbidden {
			t.Errorf("%s: %v, want %q", c.access, err, c.want)
		}
	}
	answer, err := (&http.Client{Transport: transport}).Get(o.url + "/" + bucketName)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Body.Close(); answer.StatusCode != http.StatusForbidden {
		t.Errorf("without a signature: %s", answer.Status)
	}
}
