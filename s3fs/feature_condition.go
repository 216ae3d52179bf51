package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

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
