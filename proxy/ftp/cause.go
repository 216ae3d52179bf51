package ftp

import (
	"errors"
	"io/fs"
	"log/slog"
	"syscall"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/ftp/modez"
)

// clientErrors are the client's own: a name that is taken or not allowed, an offset that does not fit, an upload
// that was aborted or cut. The operator can do nothing about them. So are those of a limit that works as it should.
var clientErrors = []error{
	errAborted, errGoingDown, proxy.ErrSessionEnded, errControlLost, errTooShort, errNoCloseNotify, errTooManyAhead,
	modez.ErrTruncated, modez.ErrCorrupt, modez.ErrNotZlib, modez.ErrExpands,
	fs.ErrExist, fs.ErrInvalid, syscall.ENOTEMPTY, syscall.EISDIR, syscall.ENOTDIR, syscall.ESPIPE,
	syscall.E2BIG, syscall.EFBIG, proxy.ErrStale,
}

// logLevel returns the level at which a command's failure is logged. The cause decides it, not the reply's code:
// a warning is for the operator, so it is whatever the storage refuses or fails at, and a data connection that cannot be
// made. Errors of the client, and of a data connection that was made, are info; a missing file, and a command that is
// refused without a request to the storage, only debug.
//
// fs.ErrPermission is S3's refusal, though its reply is 550 as that to a missing file: keys or a policy are wrong.
func logLevel(err error) slog.Level {
	switch {
	case err == nil, errors.As(err, new(tlsError)), errors.As(err, new(dataError)):
		return slog.LevelInfo
	case errors.As(err, new(connectError)):
		return slog.LevelWarn
	case errors.As(err, new(reply)), errors.Is(err, fs.ErrNotExist):
		return slog.LevelDebug
	}
	for _, e := range clientErrors {
		if errors.Is(err, e) {
			return slog.LevelInfo
		}
	}
	return slog.LevelWarn
}
