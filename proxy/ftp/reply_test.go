package ftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/ftp/modez"
)

func TestReplyString(t *testing.T) {
	for _, c := range []struct {
		r    reply
		want string
	}{
		{reply{200, "OK."}, "200 OK.\r\n"},
		{reply{200, ""}, "200 \r\n"},
		{reply{211, "a\nb\nc"}, "211-a\r\nb\r\n211 c\r\n"},
		{reply{211, "a\nc"}, "211-a\r\n211 c\r\n"},
		{reply{211, "a\n211 b\nc"}, "211-a\r\n 211 b\r\n211 c\r\n"},
		{reply{211, "a\n3\nc"}, "211-a\r\n 3\r\n211 c\r\n"},
		{reply{211, "a\n\nc"}, "211-a\r\n\r\n211 c\r\n"},
		{reply{211, "a\n indented\nc"}, "211-a\r\n indented\r\n211 c\r\n"},
		{reply{257, "a\rb\x00c\x1b[2Jd\x7f"}, "257 a?b?c?[2Jd?\r\n"},
		{reply{257, "caf\u00e9 \u65e5\u672c"}, "257 caf\u00e9 \u65e5\u672c\r\n"},
		{reply{257, "\u0085\u009b"}, "257 ??\r\n"},
		{reply{257, "a\xffb"}, "257 a?b\r\n"},
	} {
		if got := c.r.String(); got != c.want {
			t.Errorf("%#v: %q, want %q", c.r, got, c.want)
		}
	}
}

// The reply depends on the kind of an error, also if it is wrapped, and never contains its text.
func TestReplyTo(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
	}{
		{reply{501, "as it is"}, 501},
		{fmt.Errorf("in: %w", reply{503, "as it is"}), 503},
		{errAborted, 426},
		{errDrainTimeout, 426},
		{errControlLost, 426},
		{errTooShort, 426},
		{modez.ErrTruncated, 426},
		{fmt.Errorf("%w: bytes follow its end", modez.ErrCorrupt), 426},
		{modez.ErrNotZlib, 426},
		{modez.ErrExpands, 552},
		{connectError{os.ErrDeadlineExceeded}, 425},
		{connectError{syscall.ECONNREFUSED}, 425},
		{connectError{fs.ErrPermission}, 425},
		{dataError{syscall.ECONNRESET}, 426},
		{dataError{os.ErrDeadlineExceeded}, 426},
		{dataError{syscall.EPERM}, 426},
		{dataError{syscall.ENOBUFS}, 426},
		{fmt.Errorf("put: %w", dataError{&net.OpError{Op: "read", Err: syscall.EPIPE}}), 426},
		{proxy.ErrStale, 426},
		{syscall.EBUSY, 450},
		{fmt.Errorf("%w: %w", syscall.EBUSY, fs.ErrNotExist), 450}, // the copied version does not exist any more, but the file may
		{fmt.Errorf("%w: %w", fs.ErrNotExist, syscall.EBUSY), 450},
		{syscall.ENOTEMPTY, 550},
		{syscall.EISDIR, 550},
		{syscall.ENOTDIR, 550},
		{syscall.ESPIPE, 554},
		{syscall.EFBIG, 552},
		{fmt.Errorf("put: %w", &proxy.LimitError{Text: "Too large."}), 552},
		{syscall.ENOBUFS, 452},
		{syscall.ENOSPC, 452},
		{errors.ErrUnsupported, 504},
		{proxy.ErrNoCopy, 504},
		{fs.ErrNotExist, 550},
		{fs.ErrExist, 550},
		{fs.ErrPermission, 550},
		{fs.ErrInvalid, 553},
		{&fs.PathError{Op: "open", Path: "/secret", Err: fs.ErrNotExist}, 550},
		{context.DeadlineExceeded, 451},
		{context.Canceled, 451},
		{errors.New("api error SlowDown: secret"), 451},
	} {
		got := replyTo(fmt.Errorf("secret: %w", c.err))
		if got.code != c.code || got.text == "" {
			t.Errorf("%v: %v, want %d", c.err, got, c.code)
		}
		if strings.Contains(got.text, "secret") {
			t.Errorf("%v: the reply %q contains the text of the error", c.err, got.text)
		}
	}
}
