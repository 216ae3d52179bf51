package proxy

import (
	"bufio"
	"io"
	"strings"
)

const (
	maxLine   = 4 << 10 // bytes of a command line, without the LF; a longer one is read to its end and refused
	maxQueued = 64      // command lines read ahead; then the client has to wait
)

// A line is one command line, without its end.
type line struct {
	text    string
	tooLong bool
}

// readLines sends the command lines from r until r ends or done is closed; then it closes lines.
// It closes gone as soon as it sees the end, while lines may still hold what came before.
func readLines(r io.Reader, lines chan<- line, gone chan<- struct{}, done <-chan struct{}) {
	defer close(lines)
	defer close(gone)
	t := telnet{r: bufio.NewReaderSize(r, maxLine)}
	for {
		l, err := t.line()
		if err != nil {
			return
		}
		select {
		case lines <- l:
		case <-done:
			return
		}
	}
}

// telnet reads lines as the NVT sends them (RFC 959, section 3.1.1.1; RFC 854), without the Telnet commands in them.
type telnet struct {
	r    *bufio.Reader
	skip bool // to the next LF: what comes before it belongs to a line that was too long
}

const (
	iac  = 255 // interpret as command
	will = 251 // WILL, WONT, DO and DONT take one byte more
	dont = 254
	sb   = 250 // subnegotiation, up to IAC SE
	se   = 240
)

// line reads up to the next LF. A CR before it belongs to the end; a lone LF is an end of line as well.
// A line that is too long is told as soon as that is known, and then read to its end.
// What follows the last LF is no line: a command that was cut short must not run.
func (t *telnet) line() (line, error) {
	var b strings.Builder
	for {
		c, err := t.char()
		switch {
		case err != nil:
			return line{}, err
		case c == '\n' && t.skip:
			t.skip = false
		case c == '\n':
			return line{text: strings.TrimSuffix(b.String(), "\r")}, nil
		case t.skip:
		case b.Len() > maxLine || b.Len() == maxLine && c != '\r':
			t.skip = true
			return line{text: b.String()[:maxLine], tooLong: true}, nil
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
