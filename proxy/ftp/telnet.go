package ftp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"time"
)

// A telnet reads lines in NVT format, without Telnet commands (RFC 959, section 3.1.1.1; RFC 854).
type telnet struct {
	r           *bufio.Reader
	in          *timedReader          // below r
	setDeadline func(time.Time) error // sets the read deadline
	started     bool                  // next was called
	skip        bool                  // discard up to the next LF: the rest of a line that was too long

	maxLine func() int // maximum bytes of a line; may change during a line
}

// A readDeadliner has a read deadline, as a net.Conn.
type readDeadliner interface{ SetReadDeadline(time.Time) error }

// readAhead is the buffer size. Each idle session has a buffer.
const readAhead = 512

func newTelnet(r io.Reader, maxLine func() int) *telnet {
	in := &timedReader{Reader: r}
	t := &telnet{r: bufio.NewReaderSize(in, readAhead), in: in, setDeadline: func(time.Time) error { return nil }, maxLine: maxLine}
	if conn, ok := r.(readDeadliner); ok {
		t.setDeadline = conn.SetReadDeadline
	}
	return t
}

// A timedReader records when Read last returned.
type timedReader struct {
	io.Reader
	at time.Time
}

func (t *timedReader) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	t.at = time.Now()
	return n, err
}

// hasLine reports whether the buffer has a complete line without Telnet commands.
func (t *telnet) hasLine() bool {
	there, _ := t.r.Peek(t.r.Buffered())
	end := bytes.IndexByte(there, '\n')
	return end >= 0 && !t.skip && bytes.IndexByte(there[:end], iac) < 0
}

// isTLS waits for the first byte, and reports whether it begins a TLS handshake.
func (t *telnet) isTLS() bool {
	const handshake = 22
	first, _ := t.r.Peek(1)
	return len(first) == 1 && first[0] == handshake
}

const (
	iac  = 255 // interpret as command
	will = 251 // WILL, WONT, DO and DONT have one more byte
	dont = 254
	sb   = 250 // subnegotiation, up to IAC SE
	se   = 240
)

// line reads up to the next LF, within lineTimeout after the first character. It removes a CR before the LF. A line that is too long
// is returned at once, and its rest is discarded. Bytes after the last LF are not a line: a truncated command must not run.
func (t *telnet) line() (line, error) {
	var b strings.Builder
	c, err := t.char() // no timeout before it; clients may send Telnet commands to keep the connection alive
	t.setDeadline(time.Now().Add(lineTimeout))
	defer t.setDeadline(time.Time{})
	for ; ; c, err = t.char() {
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return line{}, errLineTimeout
		case err != nil:
			return line{}, err
		case c == '\n' && t.skip:
			t.skip = false
		case c == '\n':
			return line{text: strings.TrimSuffix(b.String(), "\r")}, nil
		case t.skip:
		case b.Len() >= t.maxLine() && (c != '\r' || b.Len() > t.maxLine()):
			t.skip = true
			return line{text: b.String()[:min(b.Len(), t.maxLine())], tooLong: true}, nil
		default:
			b.WriteByte(c)
		}
	}
}

// char returns the next byte outside of Telnet commands.
func (t *telnet) char() (byte, error) {
	for {
		c, err := t.r.ReadByte()
		if err != nil || c != iac {
			return c, err
		}
		if c, err = t.command(); err != nil || c == iac {
			return c, err
		}
	}
}

// command reads a Telnet command and returns its code; iac is an escaped byte 255.
func (t *telnet) command() (byte, error) {
	c, err := t.r.ReadByte()
	switch {
	case err != nil:
		return 0, err
	case c == sb:
		for last := byte(0); ; {
			b, err := t.r.ReadByte()
			if err != nil || last == iac && b == se {
				return sb, err
			}
			last = b
		}
	case will <= c && c <= dont:
		_, err = t.r.ReadByte()
	}
	return c, err
}
