package ftp

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"
)

// lineTimeout is for a command line that has begun.
const lineTimeout = 30 * time.Second

// A line is one command line, without its end.
type line struct {
	text    string
	tooLong bool
	more    bool        // another line came along with it, and follows at once
	pause   *authPause  // after AUTH
	quit    *quitNotice // of an upload; nil else
	err     error       // instead of a text: why there are no more
}

// A pause is the reading goroutine standing still after AUTH, as what follows the reply is no command but TLS.
type authPause struct {
	more   <-chan bool      // tells, once it stands, whether something came after the command, before its reply
	readOn chan<- io.Reader // what to read from now on; nil = as before
}

// stand makes the reading goroutine let go of conn, and tells whether something came after AUTH.
func (p *authPause) stopReading(conn net.Conn) (more bool) {
	conn.SetReadDeadline(time.Unix(1, 0))
	defer conn.SetReadDeadline(time.Time{})
	return <-p.more
}

// Why the server hears no more from a client that is still there.
var (
	errLineTimeout   = reply{421, "Command line timeout, closing connection."}
	errOtherProtocol = errors.New("the client speaks another protocol")
)

// readLines queues the command lines from r until r ends or done is closed; then it closes the queue's lines.
// It closes gone as soon as it sees the end, while lines may still hold what came before.
func readLines(r io.Reader, q *commandQueue, gone chan<- struct{}, done <-chan struct{}) {
	defer close(q.lines)
	defer close(gone)
	var watch quitWatch
	for t := newTelnet(r, q.maxLine); t != nil; {
		l := t.next()
		if l.err != nil && l.err != errLineTimeout && l.err != errOtherProtocol {
			return
		}
		more, readOn := make(chan bool, 1), make(chan io.Reader, 1)
		verb, _ := split(l.text)
		if verb == "AUTH" && !l.tooLong {
			l.pause = &authPause{more, readOn}
		}
		watch.see(&l, verb, t.in.at)
		if !q.put(&l, done) {
			return
		}
		switch {
		case l.err == errLineTimeout: // the client may still be there, and an upload waits for its end
			t.discard()
			return
		case l.err != nil:
			return
		case l.pause != nil:
			t = t.resumeAfter(more, readOn, done)
		}
	}
}

// next returns the next line, or why there is none. The first one tells whether the client speaks FTP at all.
func (t *telnet) next() (l line) {
	first := !t.started
	t.started = true
	if first && t.isTLS() {
		return line{err: errOtherProtocol}
	}
	l, l.err = t.line()
	l.more = t.hasLine()
	if first && l.err == nil && isOtherProtocol(l.text) {
		l.err = errOtherProtocol
	}
	return l
}

// discard reads to the end of the connection.
func (t *telnet) discard() {
	if t.setDeadline(time.Time{}) == nil {
		io.Copy(io.Discard, t.r)
	}
}

// rest waits until the client goes, says more or is asked for, and then returns from where the next line comes; nil if
// none may.
func (t *telnet) resumeAfter(more chan<- bool, readOn <-chan io.Reader, done <-chan struct{}) *telnet {
	_, err := t.r.Peek(1)
	more <- err == nil
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	select {
	case r := <-readOn:
		if r != nil {
			return newTelnet(r, t.maxLine)
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
