package proxy

import (
	"errors"
	"io"
	"slices"
	"strings"
	"time"
)

const (
	maxLine   = 4 << 10 // bytes of a command line, without the LF; a longer one is read to its end and refused
	maxQueued = 64      // command lines read ahead; then the client has to wait

	lineTimeout = 30 * time.Second // for a command line that has begun
)

// A line is one command line, without its end.
type line struct {
	text    string
	tooLong bool
	pause   *pause // after AUTH
	err     error  // instead of a text: why there are no more
}

// A pause is the reading goroutine standing still after AUTH, as what follows the reply is no command but TLS.
type pause struct {
	more   bool             // something came after the command, before its reply
	readOn chan<- io.Reader // what to read from now on; nil = as before
}

// Why the server hears no more from a client that is still there.
var (
	errSlow          = reply{421, "That command line takes too long, closing the connection."}
	errOtherProtocol = errors.New("the client speaks another protocol")
)

// readLines sends the command lines from r until r ends or done is closed; then it closes lines.
// It closes gone as soon as it sees the end, while lines may still hold what came before.
func readLines(r io.Reader, lines chan<- *line, gone chan<- struct{}, done <-chan struct{}) {
	defer close(lines)
	defer close(gone)
	for t := newTelnet(r); t != nil; {
		l := t.next()
		if l.err != nil && l.err != errSlow && l.err != errOtherProtocol {
			return
		}
		readOn := make(chan io.Reader, 1)
		if verb, _ := split(l.text); verb == "AUTH" && !l.tooLong {
			l.pause = &pause{t.r.Buffered() > 0, readOn}
		}
		select {
		case lines <- &l:
		case <-done:
			return
		}
		t = t.after(l, readOn, done)
	}
}

// next returns the next line, or why there is none. The first one tells whether the client speaks FTP at all.
func (t *telnet) next() (l line) {
	first := !t.begun
	t.begun = true
	if first && t.isTLS() {
		return line{err: errOtherProtocol}
	}
	l, l.err = t.line()
	if first && l.err == nil && isOtherProtocol(l.text) {
		l.err = errOtherProtocol
	}
	return l
}

// after returns from where the line after l comes; nil if none may.
func (t *telnet) after(l line, readOn <-chan io.Reader, done <-chan struct{}) *telnet {
	switch {
	case l.err != nil:
		return nil
	case l.pause == nil:
		return t
	}
	select {
	case r := <-readOn:
		if r != nil {
			return newTelnet(r)
		}
		return t
	case <-done:
		return nil
	}
}

// isOtherProtocol tells the first line of a browser, of a mailer or of SSH, who can be led here by a third (ALPACA), or of a
// balancer that nobody has announced. To be answered could harm them.
func isOtherProtocol(text string) bool {
	verb, _ := split(text)
	return strings.HasPrefix(text, "SSH-") || slices.Contains(otherVerbs, verb)
}

var otherVerbs = []string{"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PATCH", "PRI",
	"HELO", "EHLO", "LHLO", "MAIL", "RCPT", "STARTTLS", "PROXY"}
