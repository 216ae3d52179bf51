package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

// A transfer is what moves over one data connection. It runs in a goroutine of its own, while the session does nothing but
// listen to the client.
type transfer struct {
	port    dataPort
	stall   time.Duration
	marks   chan<- reply // what to say before the data connection
	secure  *secured     // TLS for the data connection; nil = in clear
	upload  bool         // the client sends
	packing packing      // MODE Z
	tails   *sync.WaitGroup
	log     *slog.Logger
	conn    *dataConn // nil before connect

	bytes int64 // moved, on the side of the data connection; in MODE Z, as they are when they are not compressed
}

// transfer runs work, which moves data, and listens to the client meanwhile. What it returns is the final
// reply; the preliminary one is sent when work connects.
func (s *session) transfer(ctx context.Context, verb, name string, work func(context.Context, *transfer) error) (reply, error) {
	port := take(&s.port)
	switch {
	case port == nil:
		return reply{425, "Say PASV, EPSV, PORT or EPRT first."}, nil
	case s.insists() && !s.private:
		port.Close()
		return reply{521, "Data connections have to be protected here, say PBSZ 0 and PROT P first."}, nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	marks, done := make(chan reply), make(chan error, 1)
	t := &transfer{port: port, stall: cmp.Or(s.srv.StallTimeout, 5*time.Minute), marks: marks, tails: s.tails, log: s.log,
		upload: verb == "STOR" || verb == "APPE" || verb == "STOU", packing: s.packing}
	if s.private {
		t.secure = s.tls
	}
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
			for a.more && a.lines != nil || len(a.lines) > 0 {
				a.listen(<-a.lines)
			}
			a.begun = true
			a.say(mark)
		case err := <-done:
			if a.aborted { // the reply to ABOR itself follows that to the transfer
				s.pending = &line{text: "ABOR"}
			}
			return err
		case l := <-a.lines:
			a.listen(l)
		}
	}
}

// An attendance is a session while a transfer is in progress.
type attendance struct {
	*session
	lines   <-chan *line // nil once a command waits
	cancel  context.CancelCauseFunc
	begun   bool // the preliminary reply was sent
	aborted bool
}

// listen takes the next line, nil if there is none any more.
func (a *attendance) listen(l *line) {
	if l == nil {
		a.lines = nil
		return
	}
	a.more = l.more
	a.hear(l)
}

// hear obeys a command or makes it wait. What came before the preliminary reply waits too: it was sent along
// with the transfer's command, to be answered in its turn. What follows a command that waits, waits as well.
func (a *attendance) hear(l *line) {
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
		a.pending, a.lines = l, nil
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
	if !t.upload { // whose end the client has said
		// One that knows the size, and has it all, may have gone by now, as curl does after an empty file.
		if err := t.conn.sayEnd(); err != nil && (ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded)) {
			return cmp.Or(context.Cause(ctx), err)
		}
	}
	whole = true
	t.conn.finish(t.tails)
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
		if t.secure != nil { // it may have come without its ticket
			t.secure.sure = false
		}
		return connectError{err}
	}
	moved := &t.bytes
	if t.packing.on {
		moved = new(int64)
	}
	t.conn = newDataConn(ctx, conn, t.stall, moved)
	if t.secure == nil {
		return nil
	}
	return t.conn.protect(ctx, t.secure, t.upload, t.log)
}
