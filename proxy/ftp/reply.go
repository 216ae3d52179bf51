package ftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/ftp/modez"
	"github.com/s3ftpd/s3ftpd/proxy/names"
)

// A reply is a code and a text (RFC 959, section 4.2); a text of several lines makes a multi-line reply. As an error it refuses
// a command.
type reply struct {
	code int
	text string
}

func (r reply) Error() string { return fmt.Sprintf("%d %s", r.code, r.text) }

// isRefusal reports whether err is a reply and nothing else: the command did not start.
func isRefusal(err error) bool {
	_, is := err.(reply)
	return is
}

// An observedError is the reply to a command whose failure an event has reported already.
type observedError struct{ reply reply }

func (e observedError) Error() string { return e.reply.Error() }
func (e observedError) Unwrap() error { return e.reply }

// String returns the reply in the wire format. Lines are sanitized, and a line inside cannot be mistaken for the last one.
func (r reply) String() string {
	lines := strings.Split(r.text, "\n")
	last := len(lines) - 1
	var b strings.Builder
	for i, line := range lines {
		line = sanitize(line)
		switch {
		case i == last:
			fmt.Fprintf(&b, "%03d %s\r\n", r.code, line)
		case i == 0:
			fmt.Fprintf(&b, "%03d-%s\r\n", r.code, line)
		default:
			b.WriteString(innerLine(line))
		}
	}
	return b.String()
}

// firstLine returns the first line of a multi-line reply whose lines are sent one by one.
func (r reply) firstLine() string {
	text, _, _ := strings.Cut(r.text, "\n")
	return fmt.Sprintf("%03d-%s\r\n", r.code, sanitize(text))
}

// innerLine returns a line inside a multi-line reply.
func innerLine(line string) string {
	if line = sanitize(line); line != "" && '0' <= line[0] && line[0] <= '9' {
		line = " " + line
	}
	return line + "\r\n"
}

// sanitize replaces control characters and invalid UTF-8.
func sanitize(line string) string {
	if proxy.IsPrintable(line) {
		return line
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, line)
}

// ErrCharset means that a client's name is not in the charset of [proxy.Compat].
var ErrCharset = names.ErrCharset

// errAborted ends a transfer or command after ABOR.
var errAborted = errors.New("aborted by the client")

// errTooShort: an upload ended before the size that ALLO announced.
var errTooShort = errors.New("fewer bytes received than announced by ALLO")

// errControlLost: the client left during a command.
var errControlLost = errors.New("the control connection was lost during the command")

// errTooManyQueued: an upload cannot be committed because unread commands may hide the end of the control connection, by which
// a killed client is noticed.
var errTooManyQueued = errors.New("too many commands queued to notice a killed client")

// errUnconfirmed: the server must end and the storage has not confirmed a committed upload.
var errUnconfirmed = errors.New("the storage did not confirm the upload in time")

// A dataError is an error of the data connection, not of the store.
type dataError struct{ err error }

func (e dataError) Error() string { return "data connection: " + e.err.Error() }
func (e dataError) Unwrap() error { return e.err }

// replyToTLS returns the reply to a data connection without acceptable TLS.
func replyToTLS(err error) reply {
	switch {
	case errors.Is(err, errNotResumed):
		return reply{522, "Data connection must resume the TLS session of the control connection."}
	case errors.Is(err, errOtherCertificate):
		return reply{522, "Data connection must use the client certificate of the control connection."}
	}
	return reply{522, "TLS handshake failed on the data connection."}
}

// A connectError means that the data connection was not established.
type connectError struct{ err error }

func (e connectError) Error() string { return "data connection: " + e.err.Error() }
func (e connectError) Unwrap() error { return e.err }

// replyTo turns an error into a reply. Its text shows nothing internal, such as S3's error text.
func replyTo(err error) reply {
	var r reply
	if errors.As(err, &r) {
		return r
	}
	if over, ok := errors.AsType[*proxy.LimitError](err); ok {
		return reply{552, over.Text}
	}
	if errors.As(err, new(connectError)) {
		return reply{425, "Cannot open data connection."}
	}
	if errors.As(err, new(tlsError)) {
		return replyToTLS(err)
	}
	if errors.Is(err, errNoCloseNotify) {
		return reply{426, "Data connection closed without TLS close_notify, transfer incomplete."}
	}
	// Before the table: its cause may be EPERM from a packet filter or ENOBUFS from the kernel, which mean the store there.
	if errors.As(err, new(dataError)) {
		return reply{426, "Data connection lost, transfer incomplete."}
	}
	if r, ok := atWrongOffset(err); ok {
		return r
	}
	for _, e := range replies {
		if errors.Is(err, e.err) {
			return e.reply
		}
	}
	return reply{451, "Storage error, try again later."}
}

// replies maps errors to replies. The first match counts.
var replies = []struct {
	err   error
	reply reply
}{
	{errAborted, reply{426, "Transfer aborted."}},
	{errUnconfirmed, reply{451, "Server is shutting down, upload not confirmed: check whether the file is stored."}},
	{errDrainTimeout, reply{426, "Transfer aborted, server is shutting down."}},
	{proxy.ErrSessionEnded, reply{426, "Transfer aborted, session ended by an administrator."}},
	{errTooManyQueued, reply{426, "Transfer aborted, too many commands queued."}},
	{errControlLost, reply{426, "Transfer aborted, control connection lost."}},
	{modez.ErrTruncated, reply{426, "Compressed data truncated, transfer incomplete."}},
	{modez.ErrCorrupt, reply{426, "Compressed data corrupt, nothing stored."}},
	{modez.ErrNotZlib, reply{426, "Data is not in zlib format, nothing stored."}},
	{modez.ErrExpands, reply{552, "Compressed data expands too much, use MODE S."}},
	{errTooShort, reply{426, "Fewer bytes received than announced by ALLO, nothing stored."}},
	{proxy.ErrStale, reply{426, "File changed during transfer, transfer incomplete."}},
	{proxy.ErrNotCounted, reply{450, "Quota not counted yet, try again later."}}, // before its cause
	{proxy.ErrTooManyTransfers, reply{450, "Too many transfers of this user, try again later."}},
	{syscall.EBUSY, reply{450, "File is in use by another session, try again."}},
	{syscall.ENOTEMPTY, reply{550, "Directory not empty."}},
	{syscall.EISDIR, reply{550, "Is a directory."}},
	{syscall.ENOTDIR, reply{550, "Not a directory."}},
	{syscall.ESPIPE, reply{554, "Invalid offset."}},
	{syscall.E2BIG, reply{550, "File metadata too long."}},
	{syscall.EFBIG, reply{552, "File too large for the storage."}},
	{syscall.ENOSPC, reply{452, "Insufficient storage space."}},
	{syscall.ENOBUFS, reply{452, "No transfer buffer available, try again later."}},
	{proxy.ErrNoCopy, reply{504, "This S3 service cannot copy parts of files (UploadPartCopy): upload the whole file."}},
	{errors.ErrUnsupported, reply{504, "Not supported by the storage."}},
	{fs.ErrExist, reply{550, "File already exists."}},
	{proxy.ErrDenied, reply{550, "Permission denied."}}, // also where that says that a file does not exist
	{fs.ErrNotExist, reply{550, "No such file or directory."}},
	{fs.ErrPermission, reply{550, "Permission denied."}},
	{ErrCharset, reply{553, "File name is not in the expected charset."}},
	{fs.ErrInvalid, reply{553, "File name not allowed."}},
	{context.DeadlineExceeded, reply{451, "Storage timeout, try again later."}},
}
