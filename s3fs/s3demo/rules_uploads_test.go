package s3demo_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// big is the content of a part of the minimum size.
var big = text(1, 5*mib)

// tryPart uploads a part of the upload of "k".
func (o *open) tryPart(id string, number int32, change ...func(*s3.UploadPartInput)) error {
	in := &s3.UploadPartInput{Bucket: aws.String(bucketName), Key: aws.String("k"), UploadId: &id, PartNumber: &number, Body: strings.NewReader("x")}
	for _, f := range change {
		f(in)
	}
	_, err := o.UploadPart(o.t.Context(), in, unsigned)
	return err
}

// tryComplete completes an upload of "k" with parts of these numbers, changed by change.
func (o *open) tryComplete(numbers []int32, change func(id string, in *s3.CompleteMultipartUploadInput)) error {
	o.t.Helper()
	id := o.begin("k")
	var parts []types.CompletedPart
	for i, n := range numbers {
		content := big
		if i == len(numbers)-1 {
			content = []byte("end")
		}
		parts = append(parts, o.part("k", id, n, content))
	}
	_, err := o.complete("k", id, parts, func(in *s3.CompleteMultipartUploadInput) { change(id, in) })
	return err
}

func unchanged(string, *s3.CompleteMultipartUploadInput) {}

func completedAs(numbers ...int32) refused {
	return func(o *open) error { return o.tryComplete(numbers, unchanged) }
}

// aborted returns the ID of an upload of "k" that was aborted.
func (o *open) aborted() string {
	o.t.Helper()
	id := o.begin("k")
	if err := o.abort(id); err != nil {
		o.t.Fatal(err)
	}
	return id
}

func (o *open) abort(id string) error {
	_, err := o.AbortMultipartUpload(o.t.Context(), &s3.AbortMultipartUploadInput{Bucket: aws.String(bucketName), Key: aws.String("k"), UploadId: &id})
	return err
}

// copyPart copies "source" into the first part of an upload of "k".
func (o *open) copyPart(id string, change ...func(*s3.UploadPartCopyInput)) error {
	in := &s3.UploadPartCopyInput{
		Bucket: aws.String(bucketName), Key: aws.String("k"), UploadId: &id, PartNumber: aws.Int32(1), CopySource: aws.String(bucketName + "/source"),
	}
	for _, f := range change {
		f(in)
	}
	_, err := o.UploadPartCopy(o.t.Context(), in)
	return err
}

var uploadRules = map[string]refused{
	"part number 0":      func(o *open) error { return o.tryPart(o.begin("k"), 0) },
	"part number 10,001": func(o *open) error { return o.tryPart(o.begin("k"), 10_001) },
	"copied part number 10,001": func(o *open) error {
		o.put("source", []byte("x"))
		return o.copyPart(o.begin("k"), func(in *s3.UploadPartCopyInput) { in.PartNumber = aws.Int32(10_001) })
	},
	"part numbers from 101":   completedAs(101, 102),
	"gap in the part numbers": completedAs(1, 3),
	"parts in wrong order": func(o *open) error {
		return o.tryComplete([]int32{1, 2}, func(_ string, in *s3.CompleteMultipartUploadInput) { slices.Reverse(in.MultipartUpload.Parts) })
	},
	"part listed twice": func(o *open) error {
		return o.tryComplete([]int32{1, 2}, func(_ string, in *s3.CompleteMultipartUploadInput) {
			in.MultipartUpload.Parts[1] = in.MultipartUpload.Parts[0]
		})
	},
	"small part": func(o *open) error {
		id := o.begin("k")
		parts := []types.CompletedPart{o.part("k", id, 1, big[1:]), o.part("k", id, 2, []byte("x"))}
		_, err := o.complete("k", id, parts)
		return err
	},
	"large part": func(o *open) error {
		return o.tryPart(o.begin("k"), 1, func(in *s3.UploadPartInput) { in.Body = bytes.NewReader(text(1, limit+1)) })
	},
	"part that was not uploaded": func(o *open) error {
		return o.tryComplete([]int32{1}, func(_ string, in *s3.CompleteMultipartUploadInput) {
			in.MultipartUpload.Parts = append(in.MultipartUpload.Parts, types.CompletedPart{PartNumber: aws.Int32(2), ETag: aws.String("x")})
		})
	},
	"part that was replaced": func(o *open) error {
		return o.tryComplete([]int32{1}, func(id string, _ *s3.CompleteMultipartUploadInput) { o.part("k", id, 1, []byte("other")) })
	},
	"no part listed":          completedAs(),
	"malformed list of parts": func(o *open) error { return o.raw("POST", "/k?uploadId="+o.begin("k"), "<CompleteMultipartUpload>") },
	"another object size": func(o *open) error {
		return o.tryComplete([]int32{1}, func(_ string, in *s3.CompleteMultipartUploadInput) { in.MpuObjectSize = aws.Int64(4) })
	},
	"completed upload": func(o *open) error {
		id := o.begin("k")
		parts := []types.CompletedPart{o.part("k", id, 1, nil)}
		if _, err := o.complete("k", id, parts); err != nil {
			o.t.Fatal(err)
		}
		_, err := o.complete("k", id, parts)
		return err
	},
	"part of an aborted upload":        func(o *open) error { return o.tryPart(o.aborted(), 1) },
	"copied part of an aborted upload": func(o *open) error { o.put("source", nil); return o.copyPart(o.aborted()) },
	"aborting an aborted upload":       func(o *open) error { return o.abort(o.aborted()) },
	"parts of an aborted upload": func(o *open) error {
		_, err := o.ListParts(o.t.Context(), &s3.ListPartsInput{Bucket: aws.String(bucketName), Key: aws.String("k"), UploadId: aws.String(o.aborted())})
		return err
	},
	"upload of another key": func(o *open) error { return o.tryPart(o.begin("other"), 1) },
}

// created tries to begin an upload with these checksums.
func created(algorithm, kind string) refused {
	return func(o *open) error {
		_, err := o.CreateMultipartUpload(o.t.Context(), &s3.CreateMultipartUploadInput{
			Bucket: aws.String(bucketName), Key: aws.String("k"), ChecksumAlgorithm: types.ChecksumAlgorithm(algorithm), ChecksumType: types.ChecksumType(kind),
		}, unsigned)
		return err
	}
}

// withChecksums changes the request that begins an upload.
func withChecksums(algorithm types.ChecksumAlgorithm, kind types.ChecksumType) func(*s3.CreateMultipartUploadInput) {
	return func(in *s3.CreateMultipartUploadInput) { in.ChecksumAlgorithm, in.ChecksumType = algorithm, kind }
}

// completedWith completes an upload of one part with a changed list.
func completedWith(change func(*types.CompletedPart)) refused {
	return func(o *open) error {
		return o.tryComplete([]int32{1}, func(_ string, in *s3.CompleteMultipartUploadInput) { change(&in.MultipartUpload.Parts[0]) })
	}
}

// sent tries to put an object with these headers.
func sent(content string, headers ...string) refused {
	return func(o *open) error { return o.raw("PUT", "/k", content, headers...) }
}

const wrongMD5 = "AAAAAAAAAAAAAAAAAAAAAA=="

var checksumRules = map[string]refused{
	"unknown checksum algorithm":         created("CRC16", ""),
	"unknown checksum type":              created("CRC32", "HALF_OBJECT"),
	"checksum type without an algorithm": created("", "FULL_OBJECT"),
	"FULL_OBJECT with SHA256":            created("SHA256", "FULL_OBJECT"),
	"FULL_OBJECT with SHA1":              created("SHA1", "FULL_OBJECT"),
	"COMPOSITE with CRC64NVME":           created("CRC64NVME", "COMPOSITE"),
	"part with another algorithm": func(o *open) error {
		return o.tryPart(o.begin("k", withChecksums("CRC32", "")), 1, func(in *s3.UploadPartInput) { in.ChecksumAlgorithm = "CRC32C" })
	},
	"part with an algorithm that the upload has not": func(o *open) error {
		return o.tryPart(o.begin("k", withChecksums("", "")), 1, func(in *s3.UploadPartInput) { in.ChecksumAlgorithm = "CRC32C" })
	},
	"part without a checksum in a composite upload": func(o *open) error { return o.tryPart(o.begin("k", withChecksums("SHA256", "")), 1) },
	"list without the checksum of a part": func(o *open) error {
		err := completedWith(func(p *types.CompletedPart) { p.ChecksumCRC32C = nil })(o)
		const want = "The upload was created using a crc32c checksum. The complete request must include the checksum for each part. It was missing for part 1 in the request."
		if !strings.Contains(fmt.Sprint(err), want) {
			o.t.Error(err)
		}
		return err
	},
	"list with a wrong checksum of a part": completedWith(func(p *types.CompletedPart) { p.ChecksumCRC32C = aws.String("AAAAAA==") }),
	"list with a checksum of another algorithm": completedWith(func(p *types.CompletedPart) {
		p.ChecksumCRC32, p.ChecksumCRC32C = p.ChecksumCRC32C, nil
	}),
	"another checksum type when completed": func(o *open) error {
		return o.tryComplete([]int32{1}, func(_ string, in *s3.CompleteMultipartUploadInput) { in.ChecksumType = "COMPOSITE" })
	},
	"wrong checksum of the whole object": func(o *open) error {
		return o.tryComplete([]int32{1}, func(_ string, in *s3.CompleteMultipartUploadInput) { in.ChecksumCRC32C = aws.String("AAAAAA==") })
	},
	"wrong checksum": sent("content", "X-Amz-Checksum-Crc32c", "AAAAAA=="),
	"wrong checksum of a part": func(o *open) error {
		return o.tryPart(o.begin("k"), 1, func(in *s3.UploadPartInput) { in.ChecksumCRC32C = aws.String("AAAAAA==") })
	},
	"wrong checksum in the trailer": sent("1\r\nx\r\n0\r\nx-amz-checksum-crc32c:AAAAAA==\r\n\r\n", "X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
		"Content-Encoding", "aws-chunked", "X-Amz-Decoded-Content-Length", "1", "X-Amz-Trailer", "x-amz-checksum-crc32c"),
	"invalid checksum":                        sent("content", "X-Amz-Checksum-Crc32c", "AAAA"),
	"two checksums":                           sent("content", "X-Amz-Checksum-Crc32c", crc32c("content"), "X-Amz-Checksum-Crc32", "AAAAAA=="),
	"announced checksum that does not come":   sent("content", "X-Amz-Sdk-Checksum-Algorithm", "CRC32C"),
	"announced checksum of another algorithm": sent("content", "X-Amz-Sdk-Checksum-Algorithm", "CRC32", "X-Amz-Checksum-Crc32c", crc32c("content")),
	"wrong Content-MD5":                       sent("content", "Content-Md5", wrongMD5),
	"wrong Content-MD5 of a part": func(o *open) error {
		return o.tryPart(o.begin("k"), 1, func(in *s3.UploadPartInput) { in.ContentMD5 = aws.String(wrongMD5) })
	},
	"invalid Content-MD5":          sent("content", "Content-Md5", "none"),
	"wrong SHA-256 of the payload": sent("content", "X-Amz-Content-Sha256", strings.Repeat("0", 64)),
}
