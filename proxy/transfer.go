package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"time"
)

// A transfer is what moves over one data connection. It runs in a goroutine of its own, and shares nothing
// with the session but these channels.
type transfer struct {
	port  dataPort
	stall time.Duration
	marks chan<- reply // what to say before the data connection
	conn  *dataConn    // nil before connect

	bytes int64 // moved, on the side of the data connection
}

// transfer runs work, which moves data, and listens to the client meanwhile. What it returns is the final
// reply; the preliminary one is sent when work connects.
func (s *session) transfer(ctx context.Context, verb, name string, work func(context.Context, *transfer) error) (reply, error) {
	port := take(&s.port)
	if port == nil {
		return reply{425, "Say PASV, EPSV, PORT or EPRT first."}, nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	marks, done := make(chan reply), make(chan error, 1)
	t := &transfer{port: port, stall: cmp.Or(s.srv.StallTimeout, 5*time.Minute), marks: marks}
	begin := time.Now()
	go func() {
		defer func() {
			if v := recover(); v != nil {
				done <- panicked(fmt.Sprintf("panic: %v\n%s", v, debug.Stack()))
			}
		}()
		done <- t.run(ctx, work)
	}()
	err := s.attend(cancel, marks, done)
	if p, ok := err.(panicked); ok {
		panic(p) // where the session's end is
	}

	r := reply{226, "Transfer complete."}
	if err != nil {
		r = replyTo(err)
	}
	s.log.Log(ctx, r.level(), "transfer", "user", s.user, "command", verb, "name", name, "bytes", t.bytes,
		"seconds", time.Since(begin).Seconds(), "code", r.code, "err", err)
	return r, nil
}

// panicked is a panic of a transfer on its way to its session.
type panicked string

func (p panicked) Error() string { return string(p) }

// attend sends the preliminary reply and obeys what may be said during a transfer, until that is over.
func (s *session) attend(cancel context.CancelCauseFunc, marks <-chan reply, done <-chan error) error {
	a := attendance{session: s, lines: s.lines, cancel: cancel}
	for {
		select {
		case mark := <-marks:
			for len(a.lines) > 0 {
				a.hear(<-a.lines)
			}
			a.begun = true
			a.say(mark)
		case err := <-done:
			if a.aborted { // the reply to ABOR itself follows that to the transfer
				s.pending = &line{text: "ABOR"}
			}
			return err
		case l, ok := <-a.lines:
			if ok {
				a.hear(l)
			} else {
				a.lines = nil
			}
		}
	}
}

// An attendance is a session while a transfer is in progress.
type attendance struct {
	*session
	lines   <-chan line // nil once a command waits
	cancel  context.CancelCauseFunc
	begun   bool // the preliminary reply was sent
	aborted bool
}

// hear obeys a command or makes it wait. What came before the preliminary reply waits too: it was sent along
// with the transfer's command, to be answered in its turn. What follows a command that waits, waits as well.
func (a *attendance) hear(l line) {
	verb, arg := split(l.text)
	switch {
	case verb == "ABOR" && !l.tooLong:
		a.aborted, a.lines = true, nil
		a.cancel(errAborted)
	case verb == "NOOP" && a.begun && !l.tooLong:
		a.say(reply{200, "OK."})
	case verb == "STAT" && arg == "" && a.begun && !l.tooLong:
		a.say(reply{211, a.status("A transfer is in progress.")})
	default:
		a.pending, a.lines = &l, nil
	}
}

// say ends the transfer of a client that takes no replies.
func (a *attendance) say(r reply) {
	if err := a.write(r); err != nil {
		a.lines = nil
		a.cancel(errControlLost)
	}
}

// cmdAbor comes here when no transfer is in progress, or after the one that it ended.
func (s *session) cmdAbor(context.Context, string) (reply, error) {
	s.drop()
	return reply{226, "No transfer is in progress any more."}, nil
}

// run is work, with the data connection ended as befits its outcome.
func (t *transfer) run(ctx context.Context, work func(context.Context, *transfer) error) error {
	defer t.port.Close()
	whole := false
	defer func() { // after a panic as well
		if t.conn != nil && !whole {
			t.conn.reset()
		}
	}()
	err := work(ctx, t)
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	if t.conn == nil || err != nil {
		return err
	}
	whole = true
	t.conn.Close() // an error of it cannot undo what the store has confirmed
	return nil
}

// connect sends the preliminary reply and makes the data connection, which ends with ctx.
func (t *transfer) connect(ctx context.Context, mark string) error {
	select {
	case t.marks <- reply{150, mark}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	conn, err := t.port.Conn(ctx)
	if err != nil {
		return connectError{err}
	}
	t.conn = &dataConn{Conn: conn, ctx: ctx, stall: t.stall, bytes: &t.bytes, since: time.Now()}
	context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	return nil
}

// A dataConn is a data connection that fails when it makes no progress, and marks its errors as its own.
type dataConn struct {
	net.Conn
	ctx   context.Context // ends it
	stall time.Duration
	bytes *int64
	since time.Time // it was made
	ended time.Time // the client ended it
}

func (d *dataConn) Read(p []byte) (int, error) {
	d.SetReadDeadline(time.Now().Add(d.stall))
	if d.ctx.Err() != nil { // asked after the deadline was set, which may have been over the one that ends all
		return 0, dataError{context.Cause(d.ctx)}
	}
	n, err := d.Conn.Read(p)
	*d.bytes += int64(n)
	if err != nil && err != io.EOF {
		err = dataError{err}
	}
	return n, err
}

// Write goes on as long as any byte is accepted within the stall time-out.
func (d *dataConn) Write(p []byte) (n int, err error) {
	for n < len(p) {
		d.SetWriteDeadline(time.Now().Add(d.stall))
		if d.ctx.Err() != nil {
			return n, dataError{context.Cause(d.ctx)}
		}
		m, err := d.Conn.Write(p[n:])
		n += m
		*d.bytes += int64(m)
		if err != nil && !(m > 0 && errors.Is(err, os.ErrDeadlineExceeded)) {
			return n, dataError{err}
		}
	}
	return n, nil
}

// reset ends the data connection so that the client can tell it from a good end.
func (d *dataConn) reset() {
	if c, ok := d.Conn.(interface{ SetLinger(int) error }); ok {
		c.SetLinger(0)
	}
	d.Close()
}
