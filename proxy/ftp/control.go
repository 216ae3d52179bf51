package ftp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"
)

// lineTimeout limits the time from the first byte of a command line to its end.
const lineTimeout = 30 * time.Second

// A line is a command line, without its end.
type line struct {
	text    string
	tooLong bool
	more    bool        // another line was received together with it
	pause   *authPause  // after AUTH
	quit    *quitNotice // nil = not an upload
	err     error       // why there are no more lines; text is not set
}

// An authPause stops the reading goroutine after AUTH: a TLS handshake follows the reply, not a command.
type authPause struct {
	more   <-chan bool      // receives whether bytes came after AUTH and before its reply
	readOn chan<- io.Reader // the reader to continue with; nil = the same
}

// stopReading stops reading from conn, and reports whether bytes came after AUTH.
func (p *authPause) stopReading(conn net.Conn) (more bool) {
	conn.SetReadDeadline(time.Unix(1, 0))
	defer conn.SetReadDeadline(time.Time{})
	return <-p.more
}

// Reasons to stop reading from a client that is still connected.
var (
	errLineTimeout   = reply{421, "Command line timeout, closing connection."}
	errOtherProtocol = errors.New("the client does not speak FTP")
)

// ErrImplicitTLS ends a session of a client that begins with TLS where explicit TLS is served: AUTH must come first.
var ErrImplicitTLS = fmt.Errorf("%w: it begins with a TLS handshake", errOtherProtocol)

// ErrProxyHeader ends a session that begins with a PROXY header from an address that is not expected to send one.
var ErrProxyHeader = fmt.Errorf("%w: it begins with a PROXY header", errOtherProtocol)

// readLines puts the command lines from r into the queue until r ends or done is closed, then closes q.lines. It closes gone at
// the end of r; q.lines may still hold lines then.
func readLines(r io.Reader, q *commandQueue, gone chan<- struct{}, done <-chan struct{}) {
	defer q.close()
	defer close(gone)
	var watch quitWatch
	for t := newTelnet(r, q.maxLine); t != nil; {
		l := t.next()
		if l.err != nil && l.err != errLineTimeout && !errors.Is(l.err, errOtherProtocol) {
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

// next returns the next line. Before the first one it checks that the client speaks FTP.
func (t *telnet) next() (l line) {
	first := !t.started
	t.started = true
	if first && t.isTLS() {
		return line{err: ErrImplicitTLS}
	}
	l, l.err = t.line()
	l.more = t.hasLine()
	if first && l.err == nil && isOtherProtocol(l.text) {
		l.err = errOtherProtocol
		if strings.HasPrefix(l.text, "PROXY ") {
			l.err = ErrProxyHeader
		}
	}
	return l
}

// discard reads and discards until the end of the connection.
func (t *telnet) discard() {
	if t.setDeadline(time.Time{}) == nil {
		io.Copy(io.Discard, t.r)
	}
}

// resumeAfter waits for the handshake's connection after AUTH, and returns the telnet to read from; nil if the session ends.
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

// isOtherProtocol reports whether a first line is HTTP, SMTP, SSH, or a PROXY header that is not expected. A browser may have been
// sent here by an attacker (ALPACA), and an answer could harm its user.
func isOtherProtocol(text string) bool {
	verb, _ := split(text)
	return strings.HasPrefix(text, "SSH-") || slices.Contains(otherVerbs, verb)
}

var otherVerbs = []string{"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PATCH", "PRI",
	"HELO", "EHLO", "LHLO", "MAIL", "RCPT", "STARTTLS", "PROXY"}
