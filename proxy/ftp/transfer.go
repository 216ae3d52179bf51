package ftp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/ftp/modez"
)

// A transfer is what moves over one data connection. It runs in a goroutine of its own, while the session does nothing but
// listen to the client.
type transfer struct {
	port        dataPort
	stall       time.Duration
	preliminary chan<- reply // what to say before the data connection
	secure      *tlsSession  // TLS for the data connection; nil = in clear
	upload      bool         // the client sends
	mode        transferMode // MODE Z
	compressor  *modez.Compressor
	tails       *lingering
	discards    chan struct{} // see discard
	observer    proxy.Observer
	quit        *quitNotice // behind the command of an upload
	conn        *dataConn   // nil before connect

	hard      context.Context // the session's, which outlives the transfer's own
	stored    proxy.Stored    // by an upload that is complete
	committed bool            // an upload that cannot be aborted any more: its error is the store's

	bytes atomic.Int64 // moved, on the side of the data connection; in MODE Z, as they are when they are not compressed
}

// transfer runs work, which moves data, and listens to the client meanwhile. What it returns is the final
// reply; the preliminary one is sent when work connects.
func (s *session) transfer(ctx context.Context, verb, name string, offset int64, work func(context.Context, *transfer) error) error {
	port := take(&s.port)
	switch {
	case port == nil:
		return reply{425, "Use PASV, EPSV, PORT or EPRT first."}
	case s.requiresTLS() && !s.protP:
		s.holdRefused(port)
		return reply{521, "TLS required on data connections, send PBSZ 0 and PROT P first."}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	marks := make(chan reply)
	t := &transfer{port: port, stall: cmp.Or(s.srv.StallTimeout, 5*time.Minute), preliminary: marks, tails: s.lingering, discards: s.discards, observer: s.srv.observer(),
		upload: isUpload(verb), mode: s.mode, compressor: &s.srv.compressor, quit: s.quit, hard: s.context(s.hard)}
	if s.protP {
		t.secure = s.tls
	}
	begin := time.Now()
	defer s.entry.StartTransfer(direction(verb), name, t.bytes.Load)()
	defer func() { // after a panic as well
		if t.conn == nil {
			s.holdRefused(port)
		}
	}()
	m := clientMonitor{session: s, lines: s.lines, cancel: cancel, upload: t.upload}
	err := m.run(marks, func() error { return t.run(ctx, work) })
	r := reply{226, "Transfer complete."}
	if err != nil {
		r = replyTo(err)
	}
	s.observe(ctx, event.TransferEnd{Direction: direction(verb), Command: verb, Name: name, Offset: offset, Bytes: t.bytes.Load(),
		Duration: time.Since(begin), Code: r.code, Cause: causeOf(err), Err: err, Stored: t.stored})
	if err != nil {
		return r // its cause is in the event
	}
	return s.ok(r.code, r.text)
}

// direction says which way the transfer of a command goes.
func direction(verb string) proxy.Direction {
	switch {
	case isUpload(verb):
		return proxy.Upload
	case verb == "RETR":
		return proxy.Download
	}
	return proxy.Listing
}

// holdRefused keeps the data port of a transfer that has no data connection, until the client has seen the reply that refuses it:
// that is when the next command comes, or some time later. A reset data connection would be seen before the reply, and reported in
// its stead; curl does so under TLS.
func (s *session) holdRefused(port dataPort) {
	s.refused = &refusedPort{port, time.AfterFunc(lingerTimeout, func() {
		defer s.recoverPanic("refused data connection")
		port.Close()
	})}
}

// A refusedPort is closed by its timer, or by drop.
type refusedPort struct {
	port  dataPort
	timer *time.Timer
}

func (s *session) dropRefused() {
	if r := take(&s.refused); r != nil {
		r.timer.Stop()
		r.port.Close()
	}
}

// attend sends the preliminary reply and obeys what may be said during a transfer, until that is over.
func (m *clientMonitor) watch(marks <-chan reply, done <-chan error) error {
	if slices.ContainsFunc(m.pending, (*line).isAbort) {
		m.cancel(errAborted)
	}
	for {
		select {
		case mark := <-marks:
			for m.more && m.lines != nil || len(m.lines) > 0 {
				m.takeLine(<-m.lines)
			}
			m.begun = true
			if !hasUnread(m.raw) { // what was sent ahead of the 150 does not count, even if it is read later
				m.quit.mark()
			}
			m.send(mark)
		case err := <-done:
			return err
		case <-m.gone:
			m.clientLost()
		case l := <-m.lines:
			m.takeLine(l)
		}
	}
}

// An attendance is a session while a transfer is in progress.
type clientMonitor struct {
	*session
	lines  <-chan *line    // nil when no more commands can wait
	gone   <-chan struct{} // the session's, where the loss of the client matters; nil = it does not
	cancel context.CancelCauseFunc
	upload bool
	begun  bool // the preliminary reply was sent
}

// lose cancels the work of a client that is gone and has sent nothing behind its command.
func (m *clientMonitor) clientLost() {
	m.gone = nil
	for len(m.lines) > 0 { // all that has come is there by now
		m.takeLine(<-m.lines)
	}
	if len(m.pending) == 0 {
		m.cancel(errControlLost)
	}
}

// listen takes the next line, nil if there is none any more.
func (m *clientMonitor) takeLine(l *line) {
	if l == nil {
		m.lines = nil
		return
	}
	m.queue.lineTaken()
	m.more = l.more
	m.handleLine(l)
}

// hear obeys a command or makes it wait. What came before the preliminary reply waits too: it was sent along
// with the transfer's command, to be answered in its turn. What follows a command that waits, waits as well. ABOR has its
// effect at once, and its own reply in its turn.
func (m *clientMonitor) handleLine(l *line) {
	verb, arg := split(l.text)
	inTurn := m.begun && len(m.pending) == 0 && !l.tooLong
	switch {
	case inTurn && verb == "NOOP":
		m.send(reply{200, "OK."})
	case inTurn && verb == "STAT" && trimBlanks(arg) == "":
		m.send(reply{211, m.status("Transfer in progress.")})
	default:
		if m.pending = append(m.pending, l); len(m.pending) == maxQueued {
			m.lines = nil
		}
		if l.isAbort() {
			m.cancel(errAborted)
		}
	}
}

func (l *line) isAbort() bool {
	verb, _ := split(l.text)
	return verb == "ABOR" && !l.tooLong
}

// say ends the transfer of a client that takes no replies. An upload outlasts a control connection that was reset: QUIT may be
// the last that the client has sent. See awaitKilledClient.
func (m *clientMonitor) send(r reply) {
	if err := m.write(r); err != nil && (!m.upload || errors.Is(err, os.ErrDeadlineExceeded)) {
		m.lines = nil
		m.cancel(errControlLost)
	}
}

// cmdAbor comes here when no transfer is in progress, or after the one that it ended.
func (s *session) cmdAbor(context.Context, string) error {
	s.drop()
	return s.ok(226, "ABOR command successful.")
}

// run is work, with the data connection ended as befits its outcome.
func (t *transfer) run(ctx context.Context, work func(context.Context, *transfer) error) error {
	ended := false
	defer func() { // after a panic as well
		if t.conn != nil {
			t.port.Close()
		}
		if t.conn != nil && !ended {
			t.conn.reset()
		}
	}()
	err := work(ctx, t)
	if t.canDiscard(ctx, err) && t.conn.discard(t.tails, t.discards) {
		ended = true // or it will be
	}
	if cause := context.Cause(ctx); err != nil && !t.committed && cause != nil && !errors.Is(cause, context.Canceled) {
		err = because(cause, err)
	}
	if t.conn == nil || err != nil {
		return err
	}
	if !t.upload { // whose end the client has said
		// One that knows the size, and has it all, may have gone by now, as curl does after an empty file.
		if err := t.conn.closeWrite(); err != nil && (ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded)) {
			return causedBy(ctx, err)
		}
	}
	ended = true
	t.conn.finish(t.tails)
	return nil
}

// connect sends the preliminary reply and makes the data connection, which ends with ctx.
func (t *transfer) connect(ctx context.Context, mark string) error {
	select {
	case t.preliminary <- reply{150, mark}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	conn, err := t.port.Conn(ctx)
	if err != nil {
		if t.secure != nil { // it may have come without its ticket
			t.secure.lastResumed = false
		}
		return connectError{err}
	}
	moved := &t.bytes
	if t.mode.on {
		moved = new(atomic.Int64)
	}
	t.conn = newDataConn(ctx, conn, t.stall, moved)
	if t.secure != nil {
		if err := t.conn.protect(ctx, t.secure, t.upload, t.observer); err != nil {
			return err
		}
	}
	t.observer.Observe(ctx, t.openEvent())
	return nil
}

// opened tells how the data connection was made.
func (t *transfer) openEvent() event.DataOpen {
	e := event.DataOpen{Mode: "passive"}
	if _, active := t.port.(activePort); active {
		e.Mode = "active"
	}
	if secure, ok := t.conn.Conn.(*tls.Conn); ok {
		state := secure.ConnectionState()
		e.TLS, e.Resumed = tls.VersionName(state.Version), state.DidResume
	}
	return e
}
