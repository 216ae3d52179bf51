package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/names"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/reassembly"
)

// A status is the result of a request (section 7). As an error it refuses the request.
type status struct {
	code packet.Code
	text string // ASCII
}

func (s status) Error() string { return s.text }

// A dueTo error has a status as its cause, and the error that the log shows.
type dueTo struct {
	status
	err error
}

func (d dueTo) Error() string { return d.text + ": " + d.err.Error() }
func (d dueTo) Unwrap() error { return d.err }

// unsupported refuses what is impossible on S3.
func unsupported(text string) error { return status{packet.OpUnsupported, text} }

// failure refuses a request that might succeed in other circumstances.
func failure(text string) error { return status{packet.Failure, text} }

// errUnconfirmed: the server must end and the storage has not confirmed a committed upload.
var errUnconfirmed = errors.New("the storage did not confirm the upload in time")

// errStalled ends an upload whose client sends nothing.
var errStalled = errors.New("no WRITE came in time")

// errChannelLost ends the transfers of a channel that has ended before their CLOSE.
var errChannelLost = errors.New("the channel was lost before CLOSE")

// statusOf turns an error into a status. Its text shows nothing internal, such as S3's error text.
func statusOf(err error) status {
	if err == nil {
		return status{packet.OK, "OK"}
	}
	if due, ok := errors.AsType[dueTo](err); ok {
		return due.status
	}
	if own, ok := errors.AsType[status](err); ok {
		return own
	}
	if over, ok := errors.AsType[*proxy.LimitError](err); ok {
		return status{packet.Failure, over.Text}
	}
	if e, ok := errors.AsType[*proxy.OffsetError](err); ok {
		return status{packet.Failure, fmt.Sprintf("Invalid offset, %d bytes are stored.", e.Offset)}
	}
	for _, e := range statuses {
		if errors.Is(err, e.err) {
			return e.status
		}
	}
	return status{packet.Failure, "Storage error, try again later."}
}

// statuses maps errors to results. The first match counts.
var statuses = []struct {
	err    error
	status status
}{
	{io.EOF, status{packet.EOF, "End of file."}},
	{errUnconfirmed, status{packet.Failure, "Server is shutting down, upload not confirmed: check whether the file is stored."}},
	{errDrainTimeout, status{packet.Failure, "Server is shutting down."}},
	{errStalled, status{packet.Failure, "No data came in time, the upload can be resumed."}},
	{errChannelLost, status{packet.Failure, "Channel lost."}},
	{errSenderFailed, status{packet.Failure, "The client could not read its file, nothing stored."}},
	{proxy.ErrSessionEnded, status{packet.Failure, "Session ended by an administrator."}},
	{proxy.ErrUserRemoved, status{packet.Failure, "User was removed or disabled."}},
	{proxy.ErrStale, status{packet.Failure, "File changed during the transfer."}},
	{proxy.ErrNotCounted, status{packet.Failure, "Quota not counted yet, try again later."}}, // before its cause
	{proxy.ErrTooManyTransfers, status{packet.Failure, "Too many transfers of this user, try again later."}},
	{syscall.EBUSY, status{packet.Failure, "File is in use by another session, try again."}},
	{syscall.ENOTEMPTY, status{packet.Failure, "Directory not empty."}},
	{syscall.EISDIR, status{packet.Failure, "Is a directory."}},
	{syscall.ENOTDIR, status{packet.Failure, "Not a directory."}},
	{syscall.ESPIPE, status{packet.Failure, "Invalid offset."}},
	{syscall.E2BIG, status{packet.Failure, "File metadata too long."}},
	{syscall.EFBIG, status{packet.Failure, "File too large for the storage."}},
	{syscall.ENOSPC, status{packet.Failure, "Insufficient storage space."}},
	{syscall.ENOBUFS, status{packet.Failure, "No transfer buffer available, try again later."}},
	{reassembly.ErrBack, status{packet.OpUnsupported, "The upload has gone on beyond this offset and cannot go back."}},
	{reassembly.ErrShrink, status{packet.OpUnsupported, "An upload that appends or resumes cannot be made shorter."}},
	{reassembly.ErrResumedCopy, status{packet.OpUnsupported, "A resumed upload cannot have copies."}},
	{reassembly.ErrZeros, status{packet.OpUnsupported, "Too many bytes between the writes are missing."}},
	{reassembly.ErrSpans, status{packet.OpUnsupported, "Too many separate ranges are written."}},
	{reassembly.ErrRead, status{packet.OpUnsupported, "What the handle has written cannot be read before CLOSE."}},
	{reassembly.ErrShort, status{packet.Failure, "Fewer bytes came than announced, nothing stored."}},
	{proxy.ErrNoCopy, status{packet.OpUnsupported, "This S3 service cannot copy parts of files (UploadPartCopy): upload the whole file."}},
	{errors.ErrUnsupported, status{packet.OpUnsupported, "Not supported by the storage."}},
	{proxy.ErrDenied, status{packet.PermissionDenied, "Permission denied."}}, // also where that says that a file exists or does not
	{fs.ErrExist, status{packet.Failure, "File already exists."}},
	{fs.ErrNotExist, status{packet.NoSuchFile, "No such file or directory."}},
	{fs.ErrPermission, status{packet.PermissionDenied, "Permission denied."}},
	{names.ErrCharset, status{packet.Failure, "File name is not in the expected charset."}},
	{fs.ErrInvalid, status{packet.Failure, "File name not allowed."}},
	{context.DeadlineExceeded, status{packet.Failure, "Storage timeout, try again later."}},
}

// causeOf returns the cause of a failed request, by its error and not by its status: as [event.CauseOf]; a lost channel and a
// shutdown are the client's, a status without an error of the store is the request's.
func causeOf(err error) event.Cause {
	for _, e := range []error{errChannelLost, errSenderFailed, errStalled, errDrainTimeout, reassembly.ErrShort, reassembly.ErrBack, reassembly.ErrShrink} {
		if errors.Is(err, e) {
			return event.CauseClient
		}
	}
	if due, ok := errors.AsType[dueTo](err); ok {
		return event.CauseOf(due.err)
	}
	if errors.As(err, new(status)) || errors.Is(err, io.EOF) {
		return event.CauseRequest
	}
	return event.CauseOf(err)
}
