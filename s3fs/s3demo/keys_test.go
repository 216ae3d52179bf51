package s3demo_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
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
