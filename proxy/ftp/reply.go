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
)

// A reply is a reply code and its text (RFC 959, section 4.2); a text of several lines makes a multi-line reply. It is also an
// error: a command is refused by returning one.
type reply struct {
	code int
	text string
}

func (r reply) Error() string { return fmt.Sprintf("%d %s", r.code, r.text) }

// isRefusal reports whether err is a reply and nothing else. Such a command is not logged as failed: it was refused before it began, or
// the failure has been logged.
func isRefusal(err error) bool {
	_, is := err.(reply)
	return is
}

// String returns the reply as it goes over the wire. Every line is one line whatever the text holds, and
// no line between the first and the last can be taken for the last.
func (r reply) String() string {
	lines := strings.Split(r.text, "\n")
	last := len(lines) - 1
	var b strings.Builder
	for i, line := range lines {
		line = clean(line)
		switch {
		case i == last:
			fmt.Fprintf(&b, "%03d %s\r\n", r.code, line)
		case i == 0:
			fmt.Fprintf(&b, "%03d-%s\r\n", r.code, line)
		default:
			b.WriteString(inner(line))
		}
	}
	return b.String()
}

// first returns the line that begins a multi-line reply, whose other lines are sent one by one.
func (r reply) first() string {
	text, _, _ := strings.Cut(r.text, "\n")
	return fmt.Sprintf("%03d-%s\r\n", r.code, clean(text))
}

// inner returns a line that stands inside a multi-line reply.
func inner(line string) string {
	if line = clean(line); line != "" && '0' <= line[0] && line[0] <= '9' {
		line = " " + line
	}
	return line + "\r\n"
}

// clean replaces what could end a line early, or a terminal could take for a command.
func clean(line string) string {
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

// errAborted is why a transfer ends that the client aborts.
var errAborted = errors.New("aborted by the client")

// errTooShort is why an upload is refused that ended before the size its ALLO announced.
var errTooShort = errors.New("fewer bytes came than ALLO announced")

// errControlLost is why an upload, or another command, ends whose client went away.
var errControlLost = errors.New("the control connection ended before the command was complete")

// errTooManyAhead is why an upload fails whose client has sent more commands than are read: the end of its control
// connection, the mark of a killed client, can be behind them.
var errTooManyAhead = errors.New("too many commands wait, and hide whether the client is still there")

// errUnconfirmed is the error of an upload that was committed, and whose fate was not known when the server had to end.
var errUnconfirmed = errors.New("the storage did not confirm the upload in time")

// A dataError is an error of the data connection, to tell it from one of the store.
type dataError struct{ err error }

func (e dataError) Error() string { return "data connection: " + e.err.Error() }
func (e dataError) Unwrap() error { return e.err }

// replyToTLS says what the client can do about a data connection that could not be secured.
func replyToTLS(err error) reply {
	switch {
	case errors.Is(err, errNotResumed):
		return reply{522, "The data connection has to resume the TLS session of this connection: let the client reuse TLS sessions."}
	case errors.Is(err, errOtherCertificate):
		return reply{522, "The data connection has to show the same client certificate as this connection."}
	}
	return reply{522, "No TLS on the data connection: PROT P was said, and the client has to shake hands."}
}

// A connectError says that there never was a data connection.
type connectError struct{ err error }

func (e connectError) Error() string { return "data connection: " + e.err.Error() }
func (e connectError) Unwrap() error { return e.err }

// replyTo turns an error into the reply the client gets: a sentence it can act on and nothing from inside.
func replyTo(err error) reply {
	var r reply
	if errors.As(err, &r) {
		return r
	}
	if errors.As(err, new(connectError)) {
		return reply{425, "Cannot open the data connection."}
	}
	if errors.As(err, new(tlsError)) {
		return replyToTLS(err)
	}
	if errors.Is(err, errNoCloseNotify) {
		return reply{426, "The data connection was cut: it ended without TLS close_notify, the transfer is incomplete."}
	}
	// Before the table, in which its cause may mean the store: EPERM from a packet filter, ENOBUFS from the kernel.
	if errors.As(err, new(dataError)) {
		return reply{426, "The data connection broke, the transfer is incomplete."}
	}
	if r, ok := atWrongOffset(err); ok {
		return r
	}
	for _, e := range replies {
		if errors.Is(err, e.err) {
			return e.reply
		}
	}
	return reply{451, "The storage does not answer as it should, try again later."}
}

// replies is walked from the top; the more telling errors come first.
var replies = []struct {
	err   error
	reply reply
}{
	{errAborted, reply{426, "Transfer aborted."}},
	{errUnconfirmed, reply{451, "Going down, and the storage has not confirmed the file: look whether it is stored."}},
	{errGoingDown, reply{426, "Transfer aborted, the server is going down."}},
	{proxy.ErrSessionEnded, reply{426, "Transfer aborted, the session was ended by an administrator."}},
	{errTooManyAhead, reply{426, "Too many commands wait, the transfer is void."}},
	{errControlLost, reply{426, "The control connection ended, the transfer is void."}},
	{modez.ErrTruncated, reply{426, "The compressed data was cut, the transfer is incomplete."}},
	{modez.ErrCorrupt, reply{426, "The compressed data is damaged, nothing was stored: send the file again."}},
	{modez.ErrNotZlib, reply{426, "The compressed data is damaged from its first bytes on, nothing was stored."}},
	{modez.ErrExpands, reply{552, "The compressed data expands too much, use MODE S for this file."}},
	{errTooShort, reply{426, "Fewer bytes came than ALLO announced, nothing was stored."}},
	{proxy.ErrStale, reply{426, "The file changed while it was sent, the transfer is incomplete."}},
	{syscall.EBUSY, reply{450, "Another session changes the same name, try again."}},
	{syscall.ENOTEMPTY, reply{550, "The directory is not empty."}},
	{syscall.EISDIR, reply{550, "That is a directory."}},
	{syscall.ENOTDIR, reply{550, "That is not a directory."}},
	{syscall.ESPIPE, reply{554, "That offset does not fit the file."}},
	{syscall.E2BIG, reply{550, "The file's metadata would be too long."}},
	{syscall.EFBIG, reply{552, "That is more than the storage takes."}},
	{syscall.ENOSPC, reply{452, "The storage is full."}},
	{syscall.ENOBUFS, reply{452, "No buffer came free, try again later."}},
	{errors.ErrUnsupported, reply{504, "The storage cannot do that."}},
	{fs.ErrNotExist, reply{550, "No such file or directory."}},
	{fs.ErrExist, reply{550, "That name exists already."}},
	{fs.ErrPermission, reply{550, "Permission denied."}},
	{fs.ErrInvalid, reply{553, "That name is not allowed."}},
	{context.DeadlineExceeded, reply{451, "The storage took too long, try again later."}},
}
