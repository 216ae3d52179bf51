package s3demo_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/crc64"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// begin begins an upload.
func (o *open) begin(key string, change ...func(*s3.CreateMultipartUploadInput)) string {
	o.t.Helper()
	in := &s3.CreateMultipartUploadInput{Bucket: aws.String(bucketName), Key: &key}
	for _, f := range change {
		f(in)
	}
	out, err := o.CreateMultipartUpload(o.t.Context(), in, unsigned)
	if err != nil {
		o.t.Fatalf("CreateMultipartUpload %q: %v", key, err)
	}
	return *out.UploadId
}

func (o *open) part(key, id string, number int32, content []byte) types.CompletedPart {
	o.t.Helper()
	sum := binary.BigEndian.AppendUint32(nil, crc32.Checksum(content, crc32.MakeTable(crc32.Castagnoli)))
	out, err := o.UploadPart(o.t.Context(), &s3.UploadPartInput{
		Bucket: aws.String(bucketName), Key: &key, UploadId: &id, PartNumber: &number, Body: bytes.NewReader(content),
		ChecksumCRC32C: aws.String(base64.StdEncoding.EncodeToString(sum)),
	}, unsigned)
	if err != nil {
		o.t.Fatalf("UploadPart %q %d: %v", key, number, err)
	}
	return types.CompletedPart{ETag: out.ETag, PartNumber: &number}
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

// files lists what lies in a directory of the store.
func (o *open) files(dir string) (names []string) {
	o.t.Helper()
	files, err := os.ReadDir(filepath.Join(o.dir, dir))
	if err != nil {
		o.t.Fatal(err)
	}
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}

func TestMultipart(t *testing.T) {
	o := start(t)
	content := text(3, 5*mib+7*mib+1000)
	id := o.begin("k", func(in *s3.CreateMultipartUploadInput) {
		in.ContentType, in.Metadata = aws.String("text/plain"), map[string]string{"mtime": "1"}
	})
	last := o.part("k", id, 200, content[12*mib:])
	o.part("k", id, 101, []byte("replaced below"))
	parts := []types.CompletedPart{
		o.part("k", id, 101, content[:5*mib]), o.part("k", id, 107, content[5*mib:12*mib]), last,
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
	if got := o.files("content"); len(got) != 3 {
		t.Errorf("%d files for three parts", len(got))
	}
}

func TestCompleteIsRefused(t *testing.T) {
	o := start(t)
	o.put("there", []byte("old"))
	big := text(1, 5*mib)
	type upload = func(id string) []types.CompletedPart
	good := func(id string) []types.CompletedPart {
		return []types.CompletedPart{o.part("there", id, 1, big), o.part("there", id, 2, []byte("x"))}
	}
	for _, c := range []struct {
		name   string
		parts  upload
		change func(*s3.CompleteMultipartUploadInput)
		want   string
	}{
		{"no part", func(string) []types.CompletedPart { return nil }, nil, "MalformedXML"},
		{"a missing part", func(string) []types.CompletedPart {
			return []types.CompletedPart{{PartNumber: aws.Int32(7), ETag: aws.String("x")}}
		}, nil, "InvalidPart"},
		{"a part that was replaced", func(id string) []types.CompletedPart {
			parts := good(id)
			o.part("there", id, 2, []byte("y"))
			return parts
		}, nil, "InvalidPart"},
		{"wrong order", func(id string) []types.CompletedPart {
			parts := good(id)
			slices.Reverse(parts)
			return parts
		}, nil, "InvalidPartOrder"},
		{"a part twice", func(id string) []types.CompletedPart {
			p := o.part("there", id, 1, big)
			return []types.CompletedPart{p, p}
		}, nil, "InvalidPartOrder"},
		{"a small part", func(id string) []types.CompletedPart {
			return []types.CompletedPart{o.part("there", id, 1, big[1:]), o.part("there", id, 2, []byte("x"))}
		}, nil, "EntityTooSmall"},
		{"If-None-Match", good, func(in *s3.CompleteMultipartUploadInput) { in.IfNoneMatch = aws.String("*") }, "PreconditionFailed"},
		{"If-Match", good, func(in *s3.CompleteMultipartUploadInput) { in.IfMatch = aws.String(`"other"`) }, "PreconditionFailed"},
		{"another size", good, func(in *s3.CompleteMultipartUploadInput) { in.MpuObjectSize = aws.Int64(1) }, "InvalidRequest"},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := o.begin("there")
			if c.change == nil {
				c.change = func(*s3.CompleteMultipartUploadInput) {}
			}
			_, err := o.complete("there", id, c.parts(id), c.change)
			if got := code(t, err); got != c.want {
				t.Fatalf("%q, want %q", got, c.want)
			}
			if answer, ok := errors.AsType[*awshttp.ResponseError](err); !ok || answer.HTTPStatusCode() >= 500 {
				t.Errorf("a client would try again after %v", err)
			}
			if got := string(o.get("there")); got != "old" {
				t.Errorf("the object is %q now", got)
			}
			if _, err := o.complete("there", id, good(id), func(in *s3.CompleteMultipartUploadInput) {
				in.IfMatch = aws.String(`"` + md5Hex([]byte("old")) + `"`)
			}); err != nil {
				t.Errorf("done right, then: %v", err)
			}
			o.put("there", []byte("old"))
		})
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

func TestCompleteTwice(t *testing.T) {
	o := start(t)
	id := o.begin("k")
	parts := []types.CompletedPart{o.part("k", id, 1, []byte("x"))}
	first, err := o.complete("k", id, parts)
	if err != nil {
		t.Fatal(err)
	}
	o.put("k", []byte("newer"))
	if again, err := o.complete("k", id, parts); err != nil || again != first {
		t.Errorf("the second time: %q, %v", again, err)
	}
	if got := string(o.get("k")); got != "newer" {
		t.Errorf("the second time has published %q again", got)
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
		return types.CompletedPart{PartNumber: &number, ETag: out.CopyPartResult.ETag}, nil
	}
	if _, err := cut(1, "", aws.String(`"other"`)); code(t, err) != "PreconditionFailed" {
		t.Errorf("from another version: %v", err)
	}
	if _, err := cut(1, "bytes=0-99999999", tag); code(t, err) != "InvalidRange" {
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

func TestListParts(t *testing.T) {
	o := start(t)
	id := o.begin("k", func(in *s3.CreateMultipartUploadInput) {
		in.ChecksumAlgorithm, in.ChecksumType = types.ChecksumAlgorithmCrc32c, types.ChecksumTypeFullObject
	})
	list := func(o *open, size int32) (numbers []int32) {
		pages := s3.NewListPartsPaginator(o.Client, &s3.ListPartsInput{Bucket: aws.String(bucketName), Key: aws.String("k"), UploadId: &id, MaxParts: &size})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Parts) > int(size) {
				t.Errorf("%d parts in a page of %d", len(page.Parts), size)
			}
			for _, p := range page.Parts {
				content := fmt.Appendf(nil, "part %d", *p.PartNumber)
				sum := binary.BigEndian.AppendUint32(nil, crc32.Checksum(content, crc32.MakeTable(crc32.Castagnoli)))
				if *p.Size != int64(len(content)) || *p.ETag != `"`+md5Hex(content)+`"` || aws.ToString(p.ChecksumCRC32C) != base64.StdEncoding.EncodeToString(sum) {
					t.Errorf("part %d: %d bytes, %s, %s", *p.PartNumber, *p.Size, *p.ETag, aws.ToString(p.ChecksumCRC32C))
				}
				numbers = append(numbers, *p.PartNumber)
			}
		}
		return numbers
	}
	if got := list(o, 10); len(got) != 0 {
		t.Errorf("parts of nothing: %v", got)
	}
	want := []int32{1, 2, 5, 101, 102, 9999, 10000}
	for _, number := range want {
		o.part("k", id, number, fmt.Appendf(nil, "part %d", number))
	}
	for _, size := range []int32{1, 2, 3, 7, 1000} {
		if got := list(o, size); !slices.Equal(got, want) {
			t.Errorf("pages of %d: %v", size, got)
		}
	}
	out, err := o.ListParts(t.Context(), &s3.ListPartsInput{Bucket: aws.String(bucketName), Key: aws.String("k"), UploadId: &id, PartNumberMarker: aws.String("20000")})
	if err != nil || len(out.Parts) != 0 {
		t.Errorf("after the last: %v", err)
	}
	if got := list(o.restart(), 3); !slices.Equal(got, want) {
		t.Errorf("after a restart: %v", got)
	}
}

func TestListMultipartUploads(t *testing.T) {
	o := start(t)
	if out, err := o.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(bucketName)}); err != nil || len(out.Uploads) != 0 {
		t.Fatalf("where there are none: %v", err)
	}
	var ids []string
	all := []string{"a", "a", "a", "a/b", "a/c", "b/", "b/é x", "c"}
	for _, key := range all {
		ids = append(ids, o.begin(key))
	}
	list := func(prefix, delimiter string, size int32) (got []string) {
		in := &s3.ListMultipartUploadsInput{Bucket: aws.String(bucketName), Prefix: &prefix, Delimiter: &delimiter, MaxUploads: &size, EncodingType: "url"}
		for {
			page, err := o.ListMultipartUploads(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(page.Uploads) + len(page.CommonPrefixes); n > int(size) {
				t.Errorf("%d entries in a page of %d", n, size)
			}
			for _, u := range page.Uploads {
				got = append(got, *u.Key+" "+*u.UploadId)
			}
			for _, p := range page.CommonPrefixes {
				got = append(got, *p.Prefix)
			}
			if !*page.IsTruncated {
				return got
			}
			marker, err := url.PathUnescape(*page.NextKeyMarker)
			if err != nil {
				t.Fatal(err)
			}
			in.KeyMarker, in.UploadIdMarker = &marker, page.NextUploadIdMarker
		}
	}
	item := func(i int) string { return strings.Replace(all[i], "é x", "%C3%A9%20x", 1) + " " + ids[i] }
	everything := []string{item(0), item(1), item(2), item(3), item(4), item(5), item(6), item(7)}
	for _, c := range []struct {
		prefix, delimiter string
		want              []string
	}{
		{"", "", everything},
		{"a", "", everything[:5]},
		{"a/", "", everything[3:5]},
		{"a/c", "", everything[4:5]},
		{"z", "", nil},
		{"", "/", []string{item(0), item(1), item(2), item(7), "a/", "b/"}},
	} {
		for _, size := range []int32{1, 2, 3, 1000} {
			got := list(c.prefix, c.delimiter, size)
			slices.Sort(got)
			slices.Sort(c.want)
			if !slices.Equal(got, c.want) {
				t.Errorf("prefix %q, delimiter %q, pages of %d: %q, want %q", c.prefix, c.delimiter, size, got, c.want)
			}
		}
	}
	out, err := o.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(bucketName), Prefix: aws.String("a")})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if *out.Uploads[i].UploadId != ids[i] {
			t.Error("uploads of one key are not in the order in which they began")
		}
	}
	_, err = o.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String("no-bucket")})
	if got := code(t, err); got != "NoSuchBucket" {
		t.Errorf("in no bucket: %q", got)
	}
}

func TestChecksumOfTheWhole(t *testing.T) {
	content := text(5, 5*mib+6*mib+77)
	cuts := [][]byte{content[:5*mib], content[5*mib : 11*mib], content[11*mib:]}
	crc := binary.BigEndian.AppendUint32
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	var sums []byte
	for _, c := range cuts {
		sum := sha256.Sum256(c)
		sums = append(sums, sum[:]...)
	}
	composite := sha256.Sum256(sums)
	encode := base64.StdEncoding.EncodeToString
	for _, c := range []struct {
		algorithm types.ChecksumAlgorithm
		kind      types.ChecksumType
		want      string
		get       func(*s3.HeadObjectOutput) *string
		set       func(*s3.CompleteMultipartUploadInput, *string)
	}{
		{"CRC32", "FULL_OBJECT", encode(crc(nil, crc32.ChecksumIEEE(content))),
			func(h *s3.HeadObjectOutput) *string { return h.ChecksumCRC32 }, func(in *s3.CompleteMultipartUploadInput, v *string) { in.ChecksumCRC32 = v }},
		{"CRC32C", "FULL_OBJECT", encode(crc(nil, crc32.Checksum(content, castagnoli))),
			func(h *s3.HeadObjectOutput) *string { return h.ChecksumCRC32C }, func(in *s3.CompleteMultipartUploadInput, v *string) { in.ChecksumCRC32C = v }},
		{"CRC64NVME", "FULL_OBJECT", encode(binary.BigEndian.AppendUint64(nil, crc64.Checksum(content, crc64.MakeTable(0x9a6c9329ac4bc9b5)))),
			func(h *s3.HeadObjectOutput) *string { return h.ChecksumCRC64NVME }, func(in *s3.CompleteMultipartUploadInput, v *string) { in.ChecksumCRC64NVME = v }},
		{"SHA256", "COMPOSITE", encode(composite[:]) + "-3",
			func(h *s3.HeadObjectOutput) *string { return h.ChecksumSHA256 }, nil},
	} {
		t.Run(string(c.algorithm), func(t *testing.T) {
			o := start(t)
			id := o.begin("k", func(in *s3.CreateMultipartUploadInput) { in.ChecksumAlgorithm, in.ChecksumType = c.algorithm, c.kind })
			var parts []types.CompletedPart
			for i, cut := range cuts {
				parts = append(parts, o.part("k", id, int32(i+1), cut))
			}
			if c.set != nil {
				wrong := strings.Map(func(r rune) rune {
					if r == '=' {
						return r
					}
					return 'A'
				}, c.want)
				_, err := o.complete("k", id, parts, func(in *s3.CompleteMultipartUploadInput) { in.ChecksumType = c.kind; c.set(in, &wrong) })
				if got := code(t, err); got != "BadDigest" {
					t.Errorf("a wrong checksum: %q", got)
				}
			}
			if _, err := o.complete("k", id, parts, func(in *s3.CompleteMultipartUploadInput) {
				in.ChecksumType = c.kind
				if c.set != nil {
					c.set(in, &c.want)
				}
			}); err != nil {
				t.Fatal(err)
			}
			head := o.head("k")
			if got := aws.ToString(c.get(head)); got != c.want || head.ChecksumType != c.kind {
				t.Errorf("HeadObject: %q, %s, want %q", got, head.ChecksumType, c.want)
			}
			if !bytes.Equal(o.get("k", func(in *s3.GetObjectInput) { in.ChecksumMode = "ENABLED" }), content) {
				t.Error("the content is another")
			}
		})
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
