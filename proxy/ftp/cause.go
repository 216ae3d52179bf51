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

// clientErrors are the client's own: a name that is taken or not allowed, an offset that does not fit, an upload
// that was aborted or cut. The operator can do nothing about them. So are those of a limit that works as it should.
var clientErrors = []error{
	errAborted, errDrainTimeout, proxy.ErrSessionEnded, errControlLost, errTooShort, errNoCloseNotify, errTooManyQueued,
	modez.ErrTruncated, modez.ErrCorrupt, modez.ErrNotZlib, modez.ErrExpands,
	fs.ErrExist, fs.ErrInvalid, syscall.ENOTEMPTY, syscall.EISDIR, syscall.ENOTDIR, syscall.ESPIPE,
	syscall.E2BIG, syscall.EFBIG, proxy.ErrStale,
}

// causeOf says where the failure of a command comes from. The error decides it, not the reply's code: the server's is whatever
// the storage refuses or fails at, and a data connection that cannot be made. Errors of the client, and of a data connection
// that was made, are the client's; the request's are a missing file, and a command that is refused without a request to the
// storage.
//
// fs.ErrPermission is S3's refusal, though its reply is 550 as that to a missing file: keys or a policy are wrong. Only as
// proxy.ErrDenied is it that of a rule.
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

// A dueTo error is one that has another as its cause, such as the end of a context. It is judged by the cause alone, and its
// text has both.
type dueTo struct{ cause, err error }

func (d dueTo) Error() string { return d.cause.Error() + ": " + d.err.Error() }
func (d dueTo) Unwrap() error { return d.cause }

// because returns cause, with err, if it says more, in its text.
func because(cause, err error) error {
	if err == nil || errors.Is(err, cause) {
		return cause
	}
	return dueTo{cause, err}
}

// causedBy returns err with the end of ctx as its cause, if ctx has ended.
func causedBy(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return because(cause, err)
	}
	return err
}
