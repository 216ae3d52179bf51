package s3fs

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// headSums describes an object, with the checksums that S3 keeps of it.
func (f *FS) headSums(ctx context.Context, key string) (*s3.HeadObjectOutput, error) {
	return f.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &f.bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled})
}

// kept returns the checksum of an object's whole content, if S3 says it and there can be no doubt about what it is of.
func (f *FS) kept(out *s3.HeadObjectOutput, algorithm string) []byte {
	d := digests[algorithm]
	size := d.hash().Size()
	if sum := decodeSum(aws.ToString(d.kept(out))); ofContent(out) && len(sum) == size {
		return sum
	}
	if algorithm == "MD5" && f.client.putsMD5(out) && isPlain(out) {
		if sum, err := hex.DecodeString(unquote(out.ETag)); err == nil && len(sum) == size {
			return sum
		}
	}
	return nil
}

// ofContent reports whether the checksums of an object are of its content, and not of those of its parts. A service
// that does not tell has only objects in one part believed.
func ofContent(out *s3.HeadObjectOutput) bool {
	if out.ChecksumType == "" {
		return !strings.Contains(aws.ToString(out.ETag), "-")
	}
	return out.ChecksumType == types.ChecksumTypeFullObject
}

// decodeSum returns nil for what is not the plain checksum of something, such as one of parts, "...-3".
func decodeSum(text string) []byte {
	sum, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return sum
}

// plainClasses are the storage classes in which an ETag is as AWS and MinIO document it. In others, such as that of
// directory buckets, or MinIO's tiers, it is something else that may look the same.
var plainClasses = []types.StorageClass{
	"", types.StorageClassStandard, types.StorageClassReducedRedundancy, types.StorageClassStandardIa, types.StorageClassOnezoneIa,
	types.StorageClassIntelligentTiering, types.StorageClassGlacierIr, types.StorageClassGlacier, types.StorageClassDeepArchive,
}

// isPlain reports whether an object was written by one PUT or copy, and is not encrypted in a way that makes its ETag a
// number like any other. A replica may have the ETag of an object that is.
func isPlain(out *s3.HeadObjectOutput) bool {
	return slices.Contains([]types.ServerSideEncryption{"", types.ServerSideEncryptionAes256}, out.ServerSideEncryption) &&
		out.SSECustomerAlgorithm == nil && out.SSEKMSKeyId == nil &&
		out.ReplicationStatus != types.ReplicationStatusReplica &&
		slices.Contains(plainClasses, out.StorageClass)
}

// putsMD5 reports whether the service is known to give plain objects their MD5 for an ETag: AWS and MinIO promise
// that. Others have ETags that look like it and are not, for instance those of objects that can be appended to.
func (c *Client) putsMD5(out *s3.HeadObjectOutput) bool {
	if endpoint := c.api.Options().BaseEndpoint; endpoint == nil || isAWS(*endpoint) {
		return true
	}
	answer, ok := awsmiddleware.GetRawResponse(out.ResultMetadata).(*smithyhttp.Response)
	return ok && strings.HasPrefix(answer.Header.Get("Server"), "MinIO")
}

func isAWS(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	return strings.HasSuffix(u.Hostname(), ".amazonaws.com") || strings.HasSuffix(u.Hostname(), ".amazonaws.com.cn")
}
