package ftp

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/ftp/modez"
)

// clientErrors are caused by the client or by a limit: aborted or cut uploads, existing or invalid names, invalid offsets.
var clientErrors = []error{
	errAborted, errDrainTimeout, proxy.ErrSessionEnded, errControlLost, errTooShort, errNoCloseNotify, errTooManyQueued,
	modez.ErrTruncated, modez.ErrCorrupt, modez.ErrNotZlib, modez.ErrExpands,
	fs.ErrExist, fs.ErrInvalid, syscall.ENOTEMPTY, syscall.EISDIR, syscall.ENOTDIR, syscall.ESPIPE,
	syscall.E2BIG, syscall.EFBIG, proxy.ErrStale,
}

// causeOf returns the cause of a failed command, by its error and not by the reply's code:
//
// - server: the storage refused or failed, or the data connection was not established;
// - client: an error in clientErrors, or of an established data connection;
// - request: a missing file, or a command refused without a request to the storage.
//
// fs.ErrPermission is S3's refusal: keys or a policy are wrong. proxy.ErrDenied is the refusal by a rule of the configuration.
func causeOf(err error) event.Cause {
	switch {
	case err == nil:
		return event.CauseNone
	case errors.As(err, new(tlsError)), errors.As(err, new(dataError)):
		return event.CauseClient
	case errors.As(err, new(connectError)):
		return event.CauseServer
	case errors.As(err, new(reply)), errors.Is(err, fs.ErrNotExist), errors.Is(err, proxy.ErrDenied):
		return event.CauseRequest
	}
	for _, e := range clientErrors {
		if errors.Is(err, e) {
			return event.CauseClient
		}
	}
	return event.CauseServer
}

// A dueTo error has another error as its cause, e.g. the end of a context. errors.Is sees the cause alone; the text has both.
type dueTo struct{ cause, err error }

func (d dueTo) Error() string { return d.cause.Error() + ": " + d.err.Error() }
func (d dueTo) Unwrap() error { return d.cause }

// because returns cause, with the text of err added if it says more.
func because(cause, err error) error {
	if err == nil || errors.Is(err, cause) {
		return cause
	}
	return dueTo{cause, err}
}

// causedBy returns err with the cause of ctx, if ctx is done.
func causedBy(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return because(cause, err)
	}
	return err
}
