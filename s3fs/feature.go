package s3fs

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

// A Feature is a part of the S3 API that some services do not support. s3fs has a fallback for each.
type Feature string

// All features but the conditions, see conditionOn.
const (
	checksumHeaders   Feature = "x-amz-checksum headers"
	completeChecksums Feature = "checksums in CompleteMultipartUpload"
	checksumMode      Feature = "x-amz-checksum-mode"
	uploadList        Feature = "ListMultipartUploads"
	expectContinue    Feature = "Expect: 100-continue"
	storageClass      Feature = "storage class"
	anyPrefix         Feature = "listing by a prefix that does not end in /"
	partCopySource    Feature = "x-amz-copy-source-if-match on UploadPartCopy"
	copySourceMatch   Feature = "x-amz-copy-source-if-match on CopyObject"
	manyDeletions     Feature = "DeleteObjects"
	encodedKeys       Feature = "encoding-type on ListObjectsV2"
	highPartNumbers   Feature = "part numbers up to --max-parts"
	partMD5           Feature = "Content-MD5 on UploadPart"
	emptyAnswers      Feature = "status 204 of deletions"
	listMetadata      Feature = "metadata=true on ListObjectsV2"
)

// fallbacks describes the fallback for each feature, and the option or permission that helps.
var fallbacks = map[Feature]struct{ instead, option string }{
	checksumHeaders:   {"uploads are verified by Content-MD5", "--checksum md5"},
	completeChecksums: {"CompleteMultipartUpload verifies only the ETags of the parts", "--checksum md5"},
	checksumMode:      {"downloads are not verified", "--checksum md5"},
	uploadList:        {"broken uploads cannot be resumed", "--resume 0, or the permissions s3:ListBucketMultipartUploads and s3:ListMultipartUploadParts"},
	expectContinue:    {"an upload without a response may still appear later", ""},
	storageClass:      {"copies and appended files get the bucket's default storage class", "--storage-class"},
	anyPrefix:         {"whole directories are listed and filtered", ""},
	partCopySource:    {"the source of a copy is compared before and after it", ""},
	copySourceMatch:   {"the source of a copy is compared before and after it", ""},
	manyDeletions:     {"objects are deleted one by one", ""},
	emptyAnswers:      {"HeadObject shows whether an object is gone", ""},
	listMetadata:      {"listings show LastModified", "--list-mtime metadata"},
	partMD5:           {"parts that are appended to a copy are sent without a checksum", ""},
	encodedKeys:       {"listings with keys that XML cannot represent fail", ""},
	highPartNumbers:   {"broken uploads cannot be resumed, and uploads with more parts fail", "--max-parts 1000"},
}

// Instead describes the fallback for the feature.
func (x Feature) Instead() string {
	return cmp.Or(fallbacks[x].instead, "HeadObject checks just before the request, so a concurrent write may be lost")
}

// Option returns the option or permission that helps, or "".
func (x Feature) Option() string { return fallbacks[x].option }

// refusalTTL is how long a refused feature is not used.
const refusalTTL = 10 * time.Minute

// A Refusal is a feature that a service has refused.
type Refusal struct {
	Feature Feature
	Scope   string    // the bucket or storage class; empty = the whole service
	Err     error     // of the refused request
	Until   time.Time // when the feature is tried again
}

type featureKey struct {
	feature Feature
	scope   string
}

// features records the features that a service has refused. The zero value has no refusals.
type features struct {
	mu      sync.Mutex
	refused map[featureKey]Refusal
	log     *slog.Logger // nil = none
}

// supports reports whether a feature was not refused within refusalTTL.
func (s *features) supports(x Feature, scope string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.refused[featureKey{x, scope}]
	return !ok || !time.Now().Before(r.Until)
}

// refuse records a refusal. It logs the first one.
func (s *features) refuse(x Feature, scope string, err error) {
	s.mu.Lock()
	key := featureKey{x, scope}
	_, known := s.refused[key]
	if s.refused == nil {
		s.refused = make(map[featureKey]Refusal)
	}
	s.refused[key] = Refusal{Feature: x, Scope: scope, Err: err, Until: time.Now().Add(refusalTTL)}
	s.mu.Unlock()
	if known || s.log == nil {
		return
	}
	args := []any{"feature", string(x), "instead", x.Instead()}
	if scope != "" {
		args = append(args, "scope", scope)
	}
	if option := x.Option(); option != "" {
		args = append(args, "option", option)
	}
	s.log.Warn("S3 feature refused, using the fallback", append(args, "err", err)...)
}

// newHTTPClient returns a client that sends Expect: 100-continue unless the service refused it within refusalTTL.
func (s *features) newHTTPClient(h s3http.Config) *s3http.Client {
	h.Expects = func() bool { return s.supports(expectContinue, "") }
	h.ExpectRefused = func(err error) { s.refuse(expectContinue, "", err) }
	return s3http.New(h)
}

// accept removes a refusal after the service has accepted the feature.
func (s *features) accept(x Feature, scope string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.refused, featureKey{x, scope})
}

// Refusals returns the features that the service has refused, sorted by name.
func (c *Client) Refusals() []Refusal {
	c.features.mu.Lock()
	defer c.features.mu.Unlock()
	return slices.SortedFunc(maps.Values(c.features.refused), func(a, b Refusal) int {
		return cmp.Or(cmp.Compare(a.Feature, b.Feature), cmp.Compare(a.Scope, b.Scope))
	})
}

// try calls f with the feature, unless the service has refused it within refusalTTL. If that fails with an error for which
// refuses is true, try calls f again without the feature. The refusal is recorded only if the second call succeeds, as the
// error may have another reason.
func (s *features) try(x Feature, scope string, refuses func(error) bool, f func(with bool) error) error {
	if !s.supports(x, scope) {
		return f(false)
	}
	err := f(true)
	if err == nil {
		s.accept(x, scope)
		return nil
	}
	if !refuses(err) || isOfOtherService(err) {
		return err
	}
	switch retryErr := f(false); {
	case retryErr == nil:
		s.refuse(x, scope, err)
		return nil
	case refuses(retryErr):
		return fmt.Errorf("%w (without %s: %w)", err, x, retryErr)
	default:
		return fmt.Errorf("%w (with %s: %w)", retryErr, x, err)
	}
}

// unsupportedCodes are the error codes of services for a header, parameter or element that they do not support.
var unsupportedCodes = []string{
	"NotImplemented", "NotSupported", "InvalidArgument", "InvalidRequest", "MalformedXML", "InvalidHeader", "ExcessHeaderValues",
	"BadRequest", "InvalidParameter", "UnsupportedOperation", "UnsupportedHeader", "UnsupportedArgument",
}

// isUnsupported reports whether a service may have refused a request because it does not support a part of it. The codes
// have other meanings too: only the same request without that part shows the reason.
func isUnsupported(err error) bool {
	if e, ok := errors.AsType[*RequestError](err); ok && e.Sent != "" || isOfOtherService(err) {
		return false // the answer is not S3's
	}
	return status(err) == http.StatusNotImplemented || slices.Contains(unsupportedCodes, errorCode(err))
}

// isOfOtherService reports whether a request failed because of another service than S3: STS, which has the credentials. Its errors have
// the same codes, and say nothing about S3.
func isOfOtherService(err error) bool {
	e, ok := errors.AsType[*RequestError](err)
	return ok && e.Service != ""
}
