package s3fs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

// A Feature is a part of the S3 API that some services lack. s3fs works without it where it is refused.
type Feature string

// The features that are not conditions; those are named by conditionOn.
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

// fallbacks say what is done without a feature, and which option or permission helps.
var fallbacks = map[Feature]struct{ instead, option string }{
	checksumHeaders:   {"uploads are verified by Content-MD5", "--checksum md5"},
	completeChecksums: {"S3 compares the parts' ETags alone when it completes an upload", "--checksum md5"},
	checksumMode:      {"downloads are not verified", "--checksum md5"},
	uploadList:        {"broken uploads cannot be resumed", "--resume 0, or the permissions s3:ListBucketMultipartUploads and s3:ListMultipartUploadParts"},
	expectContinue:    {"an upload that the service did not answer may still appear later", ""},
	storageClass:      {"copies and appended files get the bucket's default storage class", "--storage-class"},
	anyPrefix:         {"whole directories are listed and filtered", ""},
	partCopySource:    {"the source of a copy is compared before and after it", ""},
	copySourceMatch:   {"the source of a copy is compared before and after it", ""},
	manyDeletions:     {"objects are deleted one by one", ""},
	emptyAnswers:      {"HEAD tells whether an object is gone", ""},
	listMetadata:      {"listings show LastModified", "--list-mtime metadata"},
	partMD5:           {"parts that are appended to a copy are sent without a checksum", ""},
	encodedKeys:       {"a listing fails that has keys which XML cannot hold", ""},
	highPartNumbers:   {"broken uploads cannot be resumed, and uploads with more parts fail", "--max-parts 1000"},
}

// Instead says what s3fs does without the feature.
func (x Feature) Instead() string {
	return cmp.Or(fallbacks[x].instead, "HEAD compares just before the request, so another writer has a moment")
}

// Option names the option or the permission that helps, "" if there is none.
func (x Feature) Option() string { return fallbacks[x].option }

// refusalLasts is how long a refused feature is not tried again.
const refusalLasts = 10 * time.Minute

// A Refusal is a feature that a service has refused.
type Refusal struct {
	Feature Feature
	Scope   string    // the bucket or storage class that it is about; empty = the service
	Err     error     // what the service said
	Until   time.Time // when the feature is tried again
}

type featureKey struct {
	feature Feature
	scope   string
}

// features remember what a service refused. The zero value has no refusals.
type features struct {
	mu      sync.Mutex
	refused map[featureKey]Refusal
	log     *slog.Logger // nil = none
}

// supports reports whether a feature is worth a try: it was not refused within refusalLasts.
func (s *features) supports(x Feature, scope string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.refused[featureKey{x, scope}]
	return !ok || !time.Now().Before(r.Until)
}

// refuse remembers a refusal, and logs the first one.
func (s *features) refuse(x Feature, scope string, err error) {
	s.mu.Lock()
	key := featureKey{x, scope}
	_, known := s.refused[key]
	if s.refused == nil {
		s.refused = make(map[featureKey]Refusal)
	}
	s.refused[key] = Refusal{Feature: x, Scope: scope, Err: err, Until: time.Now().Add(refusalLasts)}
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
	s.log.Warn("the service refuses a feature", append(args, "err", err)...)
}

// newHTTPClient returns a client that sends Expect: 100-continue unless the service refused it within refusalLasts.
func (s *features) newHTTPClient(h s3http.Config) *s3http.Client {
	h.Expects = func() bool { return s.supports(expectContinue, "") }
	h.ExpectRefused = func(err error) { s.refuse(expectContinue, "", err) }
	return s3http.New(h)
}

// accept forgets a refusal, because the service knows the feature now.
func (s *features) accept(x Feature, scope string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.refused, featureKey{x, scope})
}

// Refusals lists the features that the service has refused, by name.
func (c *Client) Refusals() []Refusal {
	c.features.mu.Lock()
	defer c.features.mu.Unlock()
	return slices.SortedFunc(maps.Values(c.features.refused), func(a, b Refusal) int {
		return cmp.Or(cmp.Compare(a.Feature, b.Feature), cmp.Compare(a.Scope, b.Scope))
	})
}

// attempt runs f with a feature, unless the service has refused it lately. After a refusal f runs again without it. Only a
// second run that works shows that the feature was to blame, and then the refusal is remembered.
func (s *features) attempt(x Feature, scope string, refuses func(error) bool, f func(with bool) error) error {
	if !s.supports(x, scope) {
		return f(false)
	}
	err := f(true)
	if err == nil {
		s.accept(x, scope)
		return nil
	}
	if !refuses(err) {
		return err
	}
	switch again := f(false); {
	case again == nil:
		s.refuse(x, scope, err)
		return nil
	case refuses(again):
		return fmt.Errorf("%w (without %s: %w)", err, x, again)
	default:
		return fmt.Errorf("%w (with %s: %w)", again, x, err)
	}
}

// unknownCodes are what services call a header, a parameter or an element of a request that they do not know.
var unknownCodes = []string{
	"NotImplemented", "NotSupported", "InvalidArgument", "InvalidRequest", "MalformedXML", "InvalidHeader", "ExcessHeaderValues",
	"BadRequest", "InvalidParameter", "UnsupportedOperation", "UnsupportedHeader", "UnsupportedArgument",
}

// unknown reports whether a service may have refused a request because it does not know a part of it. The same codes
// also mean other mistakes: only the request without that part tells.
func unknown(err error) bool {
	return status(err) == http.StatusNotImplemented || slices.Contains(unknownCodes, errorCode(err))
}

// A condition is what S3 compares before it obeys a request: the headers If-Match and If-None-Match, nil = none.
type condition struct{ match, noneMatch *string }

// absent is the condition that there is no object.
var absent = condition{noneMatch: aws.String("*")}

// An operation is one of S3's that takes conditions.
type operation string

const (
	putObject      operation = "PutObject"
	completeUpload operation = "CompleteMultipartUpload"
	copyObject     operation = "CopyObject"
	deleteObject   operation = "DeleteObject"
	deleteObjects  operation = "DeleteObjects"
)

// conditionOn returns the feature that a condition of an operation is.
func conditionOn(op operation, only condition) Feature {
	header := "If-Match"
	if only.noneMatch != nil {
		header = "If-None-Match"
	}
	return Feature(header + " on " + string(op))
}

// errNotMet says that a condition does not hold.
var errNotMet = errors.New("the condition does not hold")

// conditionally runs send, which is to make a request about key on a condition, if there is one. A service that does
// not know the condition is asked with HEAD just before, and send then runs without the condition: that leaves a moment
// for another writer. precondition reports the error of a condition that does not hold.
//
// send must make its request anew each time, as S3 also asks for repetitions, see unlessBusy.
func (f *FS) conditionally(ctx context.Context, op operation, key string, only condition, send func(condition) error) error {
	if only.match == nil && only.noneMatch == nil {
		return send(only)
	}
	refuses := func(err error) bool { return unknown(err) || op == putObject && f.misjudged(ctx, key, only, err) }
	err := f.client.features.attempt(conditionOn(op, only), "", refuses, func(with bool) error {
		if with {
			return unlessBusy(ctx, func() error { return send(only) })
		}
		if err := f.holds(ctx, key, only); err != nil {
			return err
		}
		return send(condition{})
	})
	if only.match != nil && (op == putObject || op == completeUpload) && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %v", errNotMet, err) // the object has been deleted
	}
	return err
}

// misjudged reports whether a service says of an If-Match that does hold that it does not: DigitalOcean Spaces has been seen to
// compare the ETag with its quotes on PutObject.
func (f *FS) misjudged(ctx context.Context, key string, only condition, err error) bool {
	return only.match != nil && status(err) == http.StatusPreconditionFailed && f.holds(ctx, key, only) == nil
}

// holds looks whether a condition on key holds now.
func (f *FS) holds(ctx context.Context, key string, only condition) error {
	is, err := f.head(ctx, key)
	free := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !free:
		return err
	case only.noneMatch != nil && !free:
		return fmt.Errorf("%w: %q exists", errNotMet, key)
	case only.match != nil && free:
		return fmt.Errorf("%w: %q is gone", errNotMet, key)
	case only.match != nil && is.etag != unquote(only.match):
		return fmt.Errorf("%w: %q has the ETag %s, want %s", errNotMet, key, is.etag, unquote(only.match))
	}
	return nil
}

// conflictTries is how often a request is sent that conflicts with another one under way.
const conflictTries = 5

// unlessBusy runs send again while S3 says that its request conflicts with another one under way: that tells nothing of
// how the other one ends.
func unlessBusy(ctx context.Context, send func() error) error {
	for i := 1; ; i++ {
		err := send()
		if !conflicts(err) {
			return err
		}
		if i == conflictTries {
			return fmt.Errorf("%w: %w", errBusy, err)
		}
		delay, failed := backoff.BackoffDelay(i, err)
		if failed != nil {
			return err
		}
		if err := pause(ctx, delay, err); err != nil {
			return err
		}
	}
}

// pause waits before something that has failed with err is tried again. Its error joins the cause of ctx's end with err.
func pause(ctx context.Context, delay time.Duration, err error) error {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
}

// conflicts reports whether S3 refused a request because another one about the same key was under way.
func conflicts(err error) bool {
	return slices.Contains([]string{"ConditionalRequestConflict", "OperationAborted"}, errorCode(err))
}
