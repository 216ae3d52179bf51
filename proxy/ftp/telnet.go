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

// telnet reads lines as the NVT sends them (RFC 959, section 3.1.1.1; RFC 854), without the Telnet commands in them.
type telnet struct {
	r           *bufio.Reader
	in          *timedReader          // what r reads
	setDeadline func(time.Time) error // sets when reading fails
	started     bool                  // the first line was asked for
	skip        bool                  // to the next LF: what comes before it belongs to a line that was too long

	maxLine func() int // bytes of a line, which may change while it is read
}

// A readDeadliner is a reader that can be made to fail at some time, as a connection.
type readDeadliner interface{ SetReadDeadline(time.Time) error }

// readAhead is how much is taken from the client at a time. Every idle session holds as much.
const readAhead = 512

func newTelnet(r io.Reader, maxLine func() int) *telnet {
	in := &timedReader{Reader: r}
	t := &telnet{r: bufio.NewReaderSize(in, readAhead), in: in, setDeadline: func(time.Time) error { return nil }, maxLine: maxLine}
	if conn, ok := r.(readDeadliner); ok {
		t.setDeadline = conn.SetReadDeadline
	}
	return t
}

// A timed reader knows when its last Read returned.
type timedReader struct {
	io.Reader
	at time.Time
}

func (t *timedReader) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	t.at = time.Now()
	return n, err
}

// hasLine says whether a whole line is there already, which a Telnet command in it may not be.
func (t *telnet) hasLine() bool {
	there, _ := t.r.Peek(t.r.Buffered())
	end := bytes.IndexByte(there, '\n')
	return end >= 0 && !t.skip && bytes.IndexByte(there[:end], iac) < 0
}

// isTLS waits for the first byte, and tells whether it begins a TLS handshake.
func (t *telnet) isTLS() bool {
	const handshake = 22
	first, _ := t.r.Peek(1)
	return len(first) == 1 && first[0] == handshake
}

const (
	iac  = 255 // interpret as command
	will = 251 // WILL, WONT, DO and DONT take one byte more
	dont = 254
	sb   = 250 // subnegotiation, up to IAC SE
	se   = 240
)

// line reads up to the next LF, which has to come soon after the first character. A CR before it belongs to the end; a lone LF
// is an end of line as well.
// A line that is too long is told as soon as that is known, and then read to its end.
// What follows the last LF is no line: a command that was cut short must not run.
func (t *telnet) line() (line, error) {
	var b strings.Builder
	c, err := t.char() // it may take its time, and Telnet commands may come before it, to keep the connection alive
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

// char returns the next byte that is not part of a Telnet command.
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

// command reads a Telnet command and returns its code; iac stands for itself as a character.
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
