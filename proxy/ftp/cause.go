package ftp

import (
	"context"
	"errors"

	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/ftp/modez"
)

// clientErrors are caused by the client, and by no answer of the store.
var clientErrors = []error{
	errAborted, errDrainTimeout, errControlLost, errTooShort, errNoCloseNotify, errTooManyQueued,
	modez.ErrTruncated, modez.ErrCorrupt, modez.ErrNotZlib, modez.ErrExpands,
}

// causeOf returns the cause of a failed command, by its error and not by the reply's code: as [event.CauseOf], and
//
// - server: the data connection was not established;
// - client: an error in clientErrors, or of an established data connection;
// - request: a command refused without a request to the storage.
func causeOf(err error) event.Cause {
	switch {
	case errors.As(err, new(tlsError)), errors.As(err, new(dataError)):
		return event.CauseClient
	case errors.As(err, new(connectError)):
		return event.CauseServer
	case errors.As(err, new(reply)):
		return event.CauseRequest
	}
	for _, e := range clientErrors {
		if errors.Is(err, e) {
			return event.CauseClient
		}
	}
	return event.CauseOf(err)
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
