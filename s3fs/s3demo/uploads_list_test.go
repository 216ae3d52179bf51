package s3demo_test

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func TestListParts(t *testing.T) {
	o := start(t)
	id := o.begin("k", func(in *s3.CreateMultipartUploadInput) {
		in.ChecksumAlgorithm, in.ChecksumType = types.ChecksumAlgorithmCrc32c, types.ChecksumTypeFullObject
	})
	list := func(o *open, size int32) (numbers []int32) {
		pages := s3.NewListPartsPaginator(o.Client, &s3.ListPartsInput{Bucket: aws.String(bucketName), Key: aws.String("k"), UploadId: &id, MaxParts: &size})
		for pages.HasMorePages() && len(numbers) < 20 {
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
		for range 20 {
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
			marker, err := url.QueryUnescape(*page.NextKeyMarker)
			if err != nil {
				t.Fatal(err)
			}
			in.KeyMarker, in.UploadIdMarker = &marker, page.NextUploadIdMarker
		}
		t.Fatalf("prefix %q, delimiter %q, pages of %d: the listing does not end", prefix, delimiter, size)
		return nil
	}
	item := func(i int) string { return strings.Replace(all[i], "é x", "%C3%A9+x", 1) + " " + ids[i] }
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
