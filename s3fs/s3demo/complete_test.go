package s3demo_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"hash/crc64"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

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
			return []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: aws.String("x")}}
		}, nil, "InvalidPart"},
		{"a part that was replaced", func(id string) []types.CompletedPart {
			parts := good(id)
			o.part("there", id, 2, []byte("y"))
			return parts
		}, nil, "InvalidPart"},
		{"numbers that begin at 101", func(id string) []types.CompletedPart {
			return []types.CompletedPart{o.part("there", id, 101, big), o.part("there", id, 102, []byte("x"))}
		}, nil, "InvalidPartOrder"},
		{"a gap in the numbers", func(id string) []types.CompletedPart {
			return []types.CompletedPart{o.part("there", id, 1, big), o.part("there", id, 3, []byte("x"))}
		}, nil, "InvalidPartOrder"},
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

func TestCompleteTwice(t *testing.T) {
	o := start(t)
	id := o.begin("k")
	parts := []types.CompletedPart{o.part("k", id, 1, []byte("x"))}
	first, err := o.complete("k", id, parts)
	if err != nil {
		t.Fatal(err)
	}
	if got := *o.head("k").ETag; got != first {
		t.Errorf("ETag %s, want %s", got, first)
	}
	o.put("k", []byte("newer"))
	if _, err := o.complete("k", id, parts); code(t, err) != "NoSuchUpload" {
		t.Errorf("the second time: %v", err)
	}
	if got := string(o.get("k")); got != "newer" {
		t.Errorf("the second time has published %q again", got)
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
				parts = append(parts, o.part("k", id, int32(i+1), cut, func(in *s3.UploadPartInput) {
					in.ChecksumCRC32C, in.ChecksumAlgorithm = nil, c.algorithm
				}))
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
