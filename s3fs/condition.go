package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// A condition is the headers If-Match and If-None-Match of a request; nil = none.
type condition struct{ match, noneMatch *string }

// ifAbsent is the condition that the object does not exist.
var ifAbsent = condition{noneMatch: aws.String("*")}

// An operation is an S3 operation that supports conditions.
type operation string

const (
	putObject      operation = "PutObject"
	completeUpload operation = "CompleteMultipartUpload"
	copyObject     operation = "CopyObject"
	deleteObject   operation = "DeleteObject"
	deleteObjects  operation = "DeleteObjects"
)

// conditionOn returns the feature for a condition of an operation.
func conditionOn(op operation, cond condition) Feature {
	header := "If-Match"
	if cond.noneMatch != nil {
		header = "If-None-Match"
	}
	return Feature(header + " on " + string(op))
}

// conditionally calls send, which sends a request about key with the condition, if any. If the service does not support
// the condition, HeadObject checks it just before the request, which cannot exclude a concurrent write. If the condition
// is not met, precondition(err) is true.
//
// send may be called several times, see retryConflicts.
func (f *FS) conditionally(ctx context.Context, op operation, key string, cond condition, send func(condition) error) error {
	if cond.match == nil && cond.noneMatch == nil {
		return send(cond)
	}
	refuses := func(err error) bool {
		return isUnsupported(err) || op == putObject && f.wronglyRefused(ctx, key, cond, err)
	}
	err := f.client.features.try(conditionOn(op, cond), "", refuses, func(with bool) error {
		if with {
			return retryConflicts(ctx, func() error { return send(cond) })
		}
		if err := f.checkCondition(ctx, key, cond); err != nil {
			return err
		}
		return send(condition{})
	})
	if cond.match != nil && (op == putObject || op == completeUpload) && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %v", errConditionFailed, err) // the object was deleted
	}
	return err
}

// wronglyRefused reports whether a service answers 412 although If-Match is met. DigitalOcean Spaces is reported to compare
// the ETag with its quotes on PutObject.
func (f *FS) wronglyRefused(ctx context.Context, key string, cond condition, err error) bool {
	return cond.match != nil && status(err) == http.StatusPreconditionFailed && f.checkCondition(ctx, key, cond) == nil
}

// checkCondition returns an error unless HeadObject shows that the condition on key is met.
func (f *FS) checkCondition(ctx context.Context, key string, cond condition) error {
	head, err := f.head(ctx, key)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !missing:
		return err
	case cond.noneMatch != nil && !missing:
		return fmt.Errorf("%w: %q exists", errConditionFailed, key)
	case cond.match != nil && missing:
		return fmt.Errorf("%w: %q is gone", errConditionFailed, key)
	case cond.match != nil && head.etag != unquote(cond.match):
		return fmt.Errorf("%w: %q has the ETag %s, want %s", errConditionFailed, key, head.etag, unquote(cond.match))
	}
	return nil
}

// maxConflictAttempts limits the attempts of a request that conflicts with another one in progress.
const maxConflictAttempts = 5

// retryConflicts retries send while S3 answers that the request conflicts with another one in progress, with a result that is
// not known yet.
func retryConflicts(ctx context.Context, send func() error) error {
	for i := 1; ; i++ {
		err := send()
		if !isConflict(err) {
			return err
		}
		if i == maxConflictAttempts {
			return fmt.Errorf("%w: %w", errBusy, err)
		}
		delay, backoffErr := backoff.BackoffDelay(i, err)
		if backoffErr != nil {
			return err
		}
		if err := pause(ctx, delay, err); err != nil {
			return err
		}
	}
}

// pause waits before a retry after err. If ctx ends, it returns the cause joined with err.
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
