package s3demo_test

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A copy is an object of one part: its ETag is the MD5 and its checksum that of the whole content.
func TestCopyOfMultipartObject(t *testing.T) {
	o := start(t)
	content := text(1, 5*mib+10)
	for _, kind := range []types.ChecksumType{"FULL_OBJECT", "COMPOSITE"} {
		id := o.begin("source", withChecksums("CRC32C", kind))
		parts := []types.CompletedPart{o.part("source", id, 1, content[:5*mib]), o.part("source", id, 2, content[5*mib:])}
		if _, err := o.complete("source", id, parts); err != nil {
			t.Fatal(err)
		}
		out := o.copy("source", "copy")
		head := o.head("copy")
		if want := etag(string(content)); *out.CopyObjectResult.ETag != want || *head.ETag != want {
			t.Errorf("%s: ETag %s and %s, want %s", kind, *out.CopyObjectResult.ETag, *head.ETag, want)
		}
		if got, want := aws.ToString(head.ChecksumCRC32C), crc32c(string(content)); got != want || head.ChecksumType != "FULL_OBJECT" {
			t.Errorf("%s: checksum %s, %s, want %s", kind, got, head.ChecksumType, want)
		}
		if !bytes.Equal(o.get("copy"), content) {
			t.Errorf("%s: the content is another", kind)
		}
	}
	out := o.copy("copy", "again", func(in *s3.CopyObjectInput) { in.ChecksumAlgorithm = "SHA1" })
	if out.CopyObjectResult.ChecksumSHA1 == nil || o.head("again").ChecksumCRC32C != nil {
		t.Error("the algorithm of the copy is not the one that was asked for")
	}
}

// The metadata is copied, the storage class and the encryption are not.
func TestWhatCopiesKeep(t *testing.T) {
	o := start(t)
	o.put("source", []byte("content"), func(in *s3.PutObjectInput) {
		in.StorageClass, in.ServerSideEncryption, in.Tagging = "STANDARD_IA", "aws:kms", aws.String("a=1")
		in.ContentType, in.WebsiteRedirectLocation = aws.String("text/plain"), aws.String("/elsewhere")
	})
	o.copy("source", "copy")
	head := o.head("copy")
	if head.StorageClass != "" || head.ServerSideEncryption != "AES256" || *head.ContentType != "text/plain" || head.WebsiteRedirectLocation != nil {
		t.Errorf("%q, %s, %s, %v", head.StorageClass, head.ServerSideEncryption, *head.ContentType, head.WebsiteRedirectLocation)
	}
	if got := o.tagCount("copy"); got != 1 {
		t.Errorf("%d tags", got)
	}
	if *head.ETag != etag("content") {
		t.Errorf("ETag %s", *head.ETag)
	}
	o.copy("source", "copy", func(in *s3.CopyObjectInput) { in.TaggingDirective = "REPLACE" })
	if got := o.tagCount("copy"); got != 0 {
		t.Errorf("replaced by none: %d tags", got)
	}
	o.copy("source", "source", func(in *s3.CopyObjectInput) { in.StorageClass = "ONEZONE_IA" })
	if got := o.head("source").StorageClass; got != "ONEZONE_IA" {
		t.Errorf("a copy onto itself: storage class %q", got)
	}
}

func (o *open) tagCount(key string) int {
	o.t.Helper()
	out, err := o.GetObjectTagging(o.t.Context(), &s3.GetObjectTaggingInput{Bucket: aws.String(bucketName), Key: &key})
	if err != nil {
		o.t.Fatal(err)
	}
	return len(out.TagSet)
}

// With a KMS key, ETags are not MD5 digests.
func TestOpaqueETags(t *testing.T) {
	o := start(t)
	kms := func(in *s3.PutObjectInput) { in.ServerSideEncryption, in.SSEKMSKeyId = "aws:kms", aws.String("a-key") }
	first, second := o.put("k", []byte("content"), kms), o.put("k", []byte("content"), kms)
	if *first.ETag == etag("content") || *first.ETag == *second.ETag || len(*first.ETag) != 34 {
		t.Errorf("ETags %s and %s", *first.ETag, *second.ETag)
	}
	if head := o.restart().head("k"); head.ServerSideEncryption != "aws:kms" || *head.SSEKMSKeyId != "a-key" || *head.ETag != *second.ETag {
		t.Errorf("HeadObject: %s, %s, %s", head.ServerSideEncryption, *head.SSEKMSKeyId, *head.ETag)
	}
	o = start(t)
	id := o.begin("m", func(in *s3.CreateMultipartUploadInput) { in.ServerSideEncryption = "aws:kms" })
	part := o.part("m", id, 1, []byte("content"))
	if *part.ETag == etag("content") {
		t.Error("the ETag of a part is its MD5")
	}
	tag, err := o.complete("m", id, []types.CompletedPart{part})
	if err != nil || !strings.HasSuffix(tag, `-1"`) || *o.head("m").ETag != tag {
		t.Errorf("CompleteMultipartUpload: %s, %v", tag, err)
	}
}

func TestStorageClass(t *testing.T) {
	o := start(t)
	for key, class := range map[string]types.StorageClass{"a": "", "b": "STANDARD", "c": "GLACIER_IR", "d": "DEEP_ARCHIVE"} {
		o.put(key, []byte("x"), func(in *s3.PutObjectInput) { in.StorageClass = class })
	}
	id := o.begin("e", func(in *s3.CreateMultipartUploadInput) { in.StorageClass = "STANDARD_IA" })
	if _, err := o.complete("e", id, []types.CompletedPart{o.part("e", id, 1, nil)}); err != nil {
		t.Fatal(err)
	}
	o = o.restart()
	list, err := o.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucketName)})
	if err != nil {
		t.Fatal(err)
	}
	var listed, heads []string
	for _, c := range list.Contents {
		listed, heads = append(listed, string(c.StorageClass)), append(heads, string(o.head(*c.Key).StorageClass))
	}
	if want := []string{"STANDARD", "STANDARD", "GLACIER_IR", "DEEP_ARCHIVE", "STANDARD_IA"}; !slices.Equal(listed, want) {
		t.Errorf("ListObjectsV2: %q, want %q", listed, want)
	}
	if want := []string{"", "", "GLACIER_IR", "DEEP_ARCHIVE", "STANDARD_IA"}; !slices.Equal(heads, want) {
		t.Errorf("HeadObject: %q, want %q", heads, want)
	}
}

// Unsupported ranges are ignored.
func TestOtherRanges(t *testing.T) {
	o := start(t)
	o.put("k", []byte("0123456789"))
	for _, span := range []string{"bytes=0-1,3-4", "bytes=5-3", "bytes=x-", "lines=0-1", "bytes=-"} {
		out, err := o.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucketName), Key: aws.String("k"), Range: &span})
		if err != nil {
			t.Errorf("%s: %v", span, err)
			continue
		}
		content, err := io.ReadAll(out.Body)
		if out.Body.Close(); string(content) != "0123456789" || out.ContentRange != nil || err != nil {
			t.Errorf("%s: %q, %v", span, content, err)
		}
	}
}

// A key that XML 1.0 cannot represent makes a listing unreadable for many clients, unless they request an encoding.
func TestKeyBeyondXML(t *testing.T) {
	o := start(t)
	o.put("a\x01b c~", nil)
	for target, want := range map[string]string{
		"?list-type=2":                   "<Key>a&#x1;b c~</Key>",
		"?list-type=2&encoding-type=url": "<Key>a%01b+c%7E</Key>",
		"?versions":                      "<Key>a&#x1;b c~</Key>",
	} {
		if got := o.page(target); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
	if _, err := o.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucketName)}); err == nil {
		t.Error("the SDK reads a key that no XML can hold")
	}
}
