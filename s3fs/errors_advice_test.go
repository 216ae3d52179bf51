package s3fs

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
	"github.com/s3ftpd/s3ftpd/test/quirks"
)

// answerError returns the error for an answer with this status and code.
func answerError(status int, code, message, region string) error {
	answer := &http.Response{StatusCode: status, Header: http.Header{"X-Amz-Bucket-Region": {region}}}
	return &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: answer}, Err: &smithy.GenericAPIError{Code: code, Message: message}}
}

func TestAdvice(t *testing.T) {
	const (
		signed = "use --payload signed if a bucket policy demands signed payloads"
		pays   = "use --request-payer if the bucket is Requester Pays"
	)
	us := adviser{region: "us-east-1"}
	path := adviser{region: "us-east-1", pathStyle: true}
	all := adviser{signed: true, pays: true, region: "eu-west-1"}
	for _, test := range []struct {
		adviser
		operation string
		err       error
		want      string
	}{
		{us, "PutObject", answerError(403, "AccessDenied", "Access Denied", ""), "allow s3:PutObject; " + signed + "; " + pays},
		{all, "PutObject", answerError(403, "AccessDenied", "Access Denied", ""), "allow s3:PutObject"},
		{all, "ListParts", answerError(403, "AccessDenied", "", ""), "allow s3:ListMultipartUploadParts, without which broken uploads cannot be resumed"},
		{all, "GetObjectTagging", answerError(403, "AccessDenied", "", ""), "allow s3:GetObjectTagging"},
		{all, "HeadObject", answerError(403, "Forbidden", "", ""), "allow s3:GetObject and s3:ListBucket"},
		{path, "HeadObject", answerError(403, "Forbidden", "", ""), "allow s3:GetObject and s3:ListBucket; " + signed + "; " + pays +
			"; use --path-style off if the service wants the bucket in the host"},
		{all, "GetObject", answerError(403, "InvalidObjectState", "archived", ""), ""},
		{path, "PutObject", answerError(403, "SecondLevelDomainForbidden", "Use a third level domain.", ""), "use --path-style off"},
		{path, "PutObject", answerError(400, "InvalidPathAccess", "The bucket can only be accessed by virtual hosts.", ""), "use --path-style off"},
		{us, "PutObject", answerError(301, "PermanentRedirect", "", "eu-west-1"), "use --region eu-west-1"},
		{all, "PutObject", answerError(403, "AccessDenied", "", "eu-west-1"), "allow s3:PutObject"},
		{us, "ListObjectsV2", answerError(400, "AuthorizationHeaderMalformed", "the region 'us-east-1' is wrong; expecting 'eu-west-1'", ""), "use --region eu-west-1"},
		{us, "UploadPart", answerError(400, "InvalidArgument", "Part number must be an integer between 1 and 1000, inclusive", ""), "use --max-parts 1000"},
		{us, "UploadPart", answerError(400, "InvalidArgument", "partNumber 10000 is too high", ""), "use --max-parts 1000"},
		{us, "UploadPart", answerError(400, "InvalidArgument", "x-amz-checksum-crc32c", ""), ""},
		{us, "CompleteMultipartUpload", answerError(400, "InvalidPart", "All non-trailing parts must have the same length.", ""), "use --uniform-parts on"},
		{us, "CompleteMultipartUpload", answerError(400, "InvalidRequest", "Parts of equal size are wanted.", ""), "use --uniform-parts on"},
		{us, "CompleteMultipartUpload", answerError(400, "InvalidPart", "A part is not listed.", ""), "use --resume 0 if the service refuses parts that are not listed"},
		{us, "CompleteMultipartUpload", answerError(400, "InvalidPart", "One or more of the specified parts could not be found.", ""), ""},
		{us, "GetObject", answerError(404, "NoSuchKey", "", ""), ""},
		{us, "GetObject", errors.New("connection refused"), ""},
	} {
		if got := test.adviceFor(test.operation, test.err); got != test.want {
			t.Errorf("%s: %v: got %q, want %q", test.operation, test.err, got, test.want)
		}
	}
}

// The error of each request has the advice once, and still wraps the same errors.
func TestErrorsHaveAdvice(t *testing.T) {
	f := quirkFS(t, "signed-payloads")
	_, err := f.Put(t.Context(), "/f", storetest.Source(strings.NewReader("x")), proxy.Write{})
	if advice := Advice(err); !strings.HasPrefix(advice, "allow s3:PutObject; ") || strings.Count(err.Error(), "--payload signed") != 1 {
		t.Errorf("%v: advice %q", err, advice)
	}
	if errorCode(err) != "AccessDenied" || status(err) != http.StatusForbidden {
		t.Errorf("%v: code %s, status %d", err, errorCode(err), status(err))
	}
	if got := operationOf(&s3.ListObjectsV2Input{}); got != "ListObjectsV2" {
		t.Errorf("operation %q", got)
	}
	if again := withAdvice(err, "other"); again != err || withAdvice(nil, "other") != nil {
		t.Errorf("advice was added to %v", again)
	}
}

// If the service refuses the part number of the lease, uploads work without a lease for a while. This is logged once.
func TestLeaseNumberRefused(t *testing.T) {
	f := quirkFS(t, "at-most-1000-parts")
	for range 2 {
		if _, err := f.Put(t.Context(), "/f", storetest.Source(strings.NewReader(strings.Repeat("x", minPart+1))), proxy.Write{}); err != nil {
			t.Fatal(err)
		}
	}
	all := f.client.Refusals()
	if len(all) != 1 || all[0].Feature != highPartNumbers || Advice(all[0].Err) != "use --max-parts 1000" {
		t.Errorf("refusals %v", all)
	}
	if u, err := f.upload(t.Context(), "f", proxy.Write{}, 0); err != nil || u.resuming.resumable {
		t.Errorf("an upload is resumable, or %v", err)
	} else {
		u.close()
	}
}

// quirkFS returns an FS on a service with a quirk.
func quirkFS(t *testing.T, mode string) *FS {
	t.Helper()
	server := serveQuirks(t, embeddedStore(t, s3demo.Options{}, "contract"), quirks.Named(mode))
	return NewFS(dialQuirks(t, server, Config{}), Options{Bucket: "contract", PartSize: minPart})
}
