package s3demo_test

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

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
	// The copies share their bytes. The others stay when one is deleted, and after a restart.
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
