package s3demo_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// begin creates an upload with a CRC32C for each part.
func (o *open) begin(key string, change ...func(*s3.CreateMultipartUploadInput)) string {
	o.t.Helper()
	in := &s3.CreateMultipartUploadInput{Bucket: aws.String(bucketName), Key: &key, ChecksumAlgorithm: "CRC32C", ChecksumType: "FULL_OBJECT"}
	for _, f := range change {
		f(in)
	}
	out, err := o.CreateMultipartUpload(o.t.Context(), in, unsigned)
	if err != nil {
		o.t.Fatalf("CreateMultipartUpload %q: %v", key, err)
	}
	return *out.UploadId
}

func (o *open) part(key, id string, number int32, content []byte, change ...func(*s3.UploadPartInput)) types.CompletedPart {
	o.t.Helper()
	in := &s3.UploadPartInput{
		Bucket: aws.String(bucketName), Key: &key, UploadId: &id, PartNumber: &number, Body: bytes.NewReader(content),
		ChecksumCRC32C: aws.String(crc32c(string(content))),
	}
	for _, f := range change {
		f(in)
	}
	out, err := o.UploadPart(o.t.Context(), in, unsigned)
	if err != nil {
		o.t.Fatalf("UploadPart %q %d: %v", key, number, err)
	}
	return types.CompletedPart{
		ETag: out.ETag, PartNumber: &number, ChecksumCRC32: out.ChecksumCRC32, ChecksumCRC32C: out.ChecksumCRC32C,
		ChecksumCRC64NVME: out.ChecksumCRC64NVME, ChecksumSHA1: out.ChecksumSHA1, ChecksumSHA256: out.ChecksumSHA256,
	}
}

func (o *open) complete(key, id string, parts []types.CompletedPart, change ...func(*s3.CompleteMultipartUploadInput)) (string, error) {
	in := &s3.CompleteMultipartUploadInput{
		Bucket: aws.String(bucketName), Key: &key, UploadId: &id, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	}
	for _, f := range change {
		f(in)
	}
	out, err := o.CompleteMultipartUpload(o.t.Context(), in)
	if err != nil {
		return "", err
	}
	return *out.ETag, nil
}

// multipart uploads text(seed, ...) in parts of the sizes, and returns its ETag.
func (o *open) multipart(key string, seed byte, sizes ...int) string {
	o.t.Helper()
	total := 0
	for _, n := range sizes {
		total += n
	}
	content, id := text(seed, total), o.begin(key)
	var parts []types.CompletedPart
	for i, n := range sizes {
		parts = append(parts, o.part(key, id, int32(i+1), content[:n]))
		content = content[n:]
	}
	tag, err := o.complete(key, id, parts)
	if err != nil {
		o.t.Fatalf("CompleteMultipartUpload %q: %v", key, err)
	}
	return tag
}

func TestMultipart(t *testing.T) {
	o := start(t)
	content := text(3, 5*mib+7*mib+1000)
	id := o.begin("k", func(in *s3.CreateMultipartUploadInput) {
		in.ContentType, in.Metadata = aws.String("text/plain"), map[string]string{"mtime": "1"}
	})
	last := o.part("k", id, 3, content[12*mib:])
	o.part("k", id, 1, []byte("replaced below"))
	parts := []types.CompletedPart{
		o.part("k", id, 1, content[:5*mib]), o.part("k", id, 2, content[5*mib:12*mib]), last,
	}
	o.part("k", id, 300, []byte("left out"))
	if got := o.keys("", 1000); len(got) != 0 {
		t.Errorf("visible before its end: %q", got)
	}
	tag, err := o.complete("k", id, parts)
	if err != nil {
		t.Fatal(err)
	}
	var sums []byte
	for _, p := range parts {
		sum, _ := hex.DecodeString(strings.Trim(*p.ETag, `"`))
		sums = append(sums, sum...)
	}
	sum := md5.Sum(sums)
	if want := fmt.Sprintf(`"%x-3"`, sum); tag != want {
		t.Errorf("CompleteMultipartUpload: ETag %s, want %s", tag, want)
	}
	if got := o.files("content"); len(got) != 3 {
		t.Errorf("%d files for three parts", len(got))
	}
	o = o.restart()
	head := o.head("k")
	if *head.ETag != tag || *head.ContentLength != int64(len(content)) || *head.ContentType != "text/plain" || head.Metadata["mtime"] != "1" {
		t.Errorf("HeadObject: %s, %d bytes, %s, %v", *head.ETag, *head.ContentLength, *head.ContentType, head.Metadata)
	}
	list, err := o.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucketName)})
	if err != nil || len(list.Contents) != 1 || *list.Contents[0].ETag != tag || *list.Contents[0].Size != int64(len(content)) {
		t.Errorf("ListObjectsV2: %v, %v", list.Contents, err)
	}
	if !bytes.Equal(o.get("k"), content) {
		t.Error("the content is another")
	}
	for _, span := range [][2]int{{0, 9}, {5*mib - 3, 5*mib + 3}, {5 * mib, 5 * mib}, {4 * mib, 12*mib + 10}, {12 * mib, len(content) - 1}} {
		got := o.get("k", func(in *s3.GetObjectInput) { in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", span[0], span[1])) })
		if !bytes.Equal(got, content[span[0]:span[1]+1]) {
			t.Errorf("range %v: %d bytes that are others", span, len(got))
		}
	}
}

func TestUploadEnds(t *testing.T) {
	o := start(t)
	id := o.begin("k")
	parts := []types.CompletedPart{o.part("k", id, 1, []byte("x"))}
	if _, err := o.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: aws.String(bucketName), Key: aws.String("k"), UploadId: &id}); err != nil {
		t.Fatal(err)
	}
	_, err := o.complete("k", id, parts)
	if got := code(t, err); got != "NoSuchUpload" {
		t.Errorf("Complete after Abort: %q", got)
	}
	_, err = o.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: aws.String(bucketName), Key: aws.String("k"), UploadId: &id, PartNumber: aws.Int32(1), Body: strings.NewReader("x")})
	if got := code(t, err); got != "NoSuchUpload" {
		t.Errorf("UploadPart after Abort: %q", got)
	}
	if left := o.files("content"); len(left) != 0 {
		t.Errorf("files left behind: %v", left)
	}
	if left := o.files("buckets/bucket/uploads"); len(left) != 0 {
		t.Errorf("uploads left behind: %v", left)
	}
}

func TestUploadPartCopy(t *testing.T) {
	o := start(t)
	o.multipart("src +%", 9, 5*mib, 5*mib, 100)
	content := text(9, 10*mib+100)
	tag := o.head("src +%").ETag
	id := o.begin("src +%")
	source := aws.String(bucketName + "/src%20%2B%25")
	cut := func(number int32, span string, match *string) (types.CompletedPart, error) {
		in := &s3.UploadPartCopyInput{
			Bucket: aws.String(bucketName), Key: aws.String("src +%"), UploadId: &id, PartNumber: &number, CopySource: source, CopySourceIfMatch: match,
		}
		if span != "" {
			in.CopySourceRange = &span
		}
		out, err := o.UploadPartCopy(t.Context(), in)
		if err != nil {
			return types.CompletedPart{}, err
		}
		return types.CompletedPart{PartNumber: &number, ETag: out.CopyPartResult.ETag, ChecksumCRC32C: out.CopyPartResult.ChecksumCRC32C}, nil
	}
	if _, err := cut(1, "", aws.String(`"other"`)); code(t, err) != "PreconditionFailed" {
		t.Errorf("from another version: %v", err)
	}
	if _, err := cut(1, "bytes=0-99999999", tag); code(t, err) != "InvalidArgument" {
		t.Errorf("beyond the end: %v", err)
	}
	whole, err := cut(1, "", tag)
	if err != nil {
		t.Fatal(err)
	}
	some, err := cut(2, fmt.Sprintf("bytes=%d-%d", 5*mib-10, 10*mib+4), tag)
	if err != nil {
		t.Fatal(err)
	}
	new := o.part("src +%", id, 3, []byte("end"))
	if _, err := o.complete("src +%", id, []types.CompletedPart{whole, some, new}, func(in *s3.CompleteMultipartUploadInput) { in.IfMatch = tag }); err != nil {
		t.Fatal(err)
	}
	want := slices.Concat(content, content[5*mib-10:10*mib+5], []byte("end"))
	if !bytes.Equal(o.get("src +%"), want) {
		t.Error("the content is another")
	}
}

func TestPartOfAnObject(t *testing.T) {
	o := start(t)
	o.multipart("k", 2, 5*mib, 100)
	out, err := o.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucketName), Key: aws.String("k"), PartNumber: aws.Int32(2)})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	content, err := io.ReadAll(out.Body)
	if err != nil || !bytes.Equal(content, text(2, 5*mib+100)[5*mib:]) || *out.PartsCount != 2 {
		t.Errorf("%d bytes, %v", len(content), err)
	}
}

func TestBucketEndsWithItsUploads(t *testing.T) {
	o := start(t)
	id := o.begin("k")
	o.part("k", id, 1, []byte("x"))
	o.put("o", []byte("x"))
	_, err := o.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: aws.String(bucketName)})
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); !ok || answer.HTTPStatusCode() != http.StatusConflict {
		t.Errorf("a bucket with an object: %v", err)
	}
	if _, err := o.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucketName), Key: aws.String("o")}); err != nil {
		t.Fatal(err)
	}
	if _, err := o.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: aws.String(bucketName)}); err != nil {
		t.Fatal(err)
	}
	if left := o.files("content"); len(left) != 0 {
		t.Errorf("files left behind: %v", left)
	}
	out, err := o.restart().ListBuckets(t.Context(), nil)
	if err != nil || len(out.Buckets) != 0 {
		t.Errorf("buckets: %v, %v", out.Buckets, err)
	}
}
