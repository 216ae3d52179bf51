package s3demo_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A store from before bucket versioning keeps its objects and open uploads.
func TestStoreWithoutVersions(t *testing.T) {
	o := start(t)
	o.close()
	const (
		keySum = "8254c329a92850f6d539dd376f4816ee2764517da5e0235514af433164480d7a" // SHA-256 of "k"
		id     = "18abcdefabcdef01olderupload"
	)
	sum := crc32c("content")
	for name, text := range map[string]string{
		"content/OBJECT": "content",
		"content/PART":   "part",
		"buckets/bucket/objects/" + keySum + ".json": `{"key":"k","etag":"` + md5Hex([]byte("content")) + `","modified":"2024-01-02T03:04:05Z",` +
			`"meta":{"Content-Type":"text%2Fplain","X-Amz-Meta-Mtime":"1","X-Amz-Tagging":"a=1","X-Amz-Checksum-Crc32c":"` + sum + `"},` +
			`"pieces":[{"id":"OBJECT","size":7}]}`,
		"buckets/bucket/uploads/" + id + "/upload": `{"id":"` + id + `","key":"u","began":"2024-01-02T03:04:05.5Z","meta":{"X-Amz-Meta-Mtime":"2"},"algorithm":"crc32c"}`,
		"buckets/bucket/uploads/" + id + "/00001.json": `{"number":1,"etag":"` + md5Hex([]byte("part")) + `","checksum":"` + crc32c("part") + `",` +
			`"modified":"2024-01-02T03:04:05Z","piece":{"id":"PART","size":4}}`,
	} {
		name = filepath.Join(o.dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o = startIn(t, o.dir)
	head := o.head("k")
	if *head.ContentType != "text/plain" || head.Metadata["mtime"] != "1" || aws.ToString(head.ChecksumCRC32C) != sum || o.tagCount("k") != 1 {
		t.Errorf("HeadObject: %s, %v, %v", *head.ContentType, head.Metadata, head.ChecksumCRC32C)
	}
	if got := string(o.get("k")); got != "content" {
		t.Errorf("the object is %q", got)
	}
	if _, err := o.complete("u", id, []types.CompletedPart{{
		PartNumber: aws.Int32(1), ETag: aws.String(etag("part")), ChecksumCRC32C: aws.String(crc32c("part")),
	}}); err != nil {
		t.Fatal(err)
	}
	if got := string(o.get("u")); got != "part" || o.head("u").Metadata["mtime"] != "2" {
		t.Errorf("the object of the upload is %q", got)
	}
}

// Clients with the SDK's default settings work: checksums in trailers, and presigned URLs.
func TestDefaultsOfTheSDK(t *testing.T) {
	o := start(t)
	begun, err := o.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String(bucketName), Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	var parts []types.CompletedPart
	for i, content := range [][]byte{big, []byte("end")} {
		number := aws.Int32(int32(i + 1))
		out, err := o.UploadPart(t.Context(), &s3.UploadPartInput{
			Bucket: aws.String(bucketName), Key: aws.String("k"), UploadId: begun.UploadId, PartNumber: number, Body: bytes.NewReader(content),
		})
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, types.CompletedPart{PartNumber: number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32})
	}
	if _, err := o.complete("k", *begun.UploadId, parts); err != nil {
		t.Fatal(err)
	}
	signed, err := s3.NewPresignClient(o.Client).PresignGetObject(t.Context(), &s3.GetObjectInput{
		Bucket: aws.String(bucketName), Key: aws.String("k"), Range: aws.String("bytes=5242880-"), ResponseContentType: aws.String("text/plain"),
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), signed.Method, signed.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = signed.SignedHeader
	answer, err := o.Options().HTTPClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if string(content) != "end" || answer.Header.Get("Content-Type") != "text/plain" || err != nil {
		t.Errorf("%s: %q, %v", answer.Status, content, err)
	}
}
