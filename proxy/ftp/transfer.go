package ftp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"os"
	"sync/atomic"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/ftp/modez"
)

// A transfer moves data over one data connection. It runs in a goroutine of its own, while the session monitors the client.
type transfer struct {
	port        dataPort
	stall       time.Duration
	preliminary chan<- reply // sends a preliminary reply
	secure      *tlsSession  // nil = no TLS on the data connection
	upload      bool         // from the client
	mode        transferMode // MODE Z
	compressor  *modez.Compressor
	lingering   *lingering
	discards    chan struct{} // see discard
	observer    proxy.Observer
	quit        *quitNotice // QUIT after an upload's command
	conn        *dataConn   // nil before connect

	hard      context.Context // the session's, for after the end of the transfer's context
	stored    proxy.Stored    // see event.TransferEnd
	committed bool            // the upload can no longer be aborted: its result is the store's

	bytes atomic.Int64 // moved on the data connection; in MODE Z uncompressed
}

// transfer runs work, which moves data, and monitors the client meanwhile. It sets the final reply; connect sends the preliminary one.
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
	preliminary := make(chan reply)
	t := &transfer{
		port: port, stall: cmp.Or(s.srv.StallTimeout, 5*time.Minute), preliminary: preliminary, lingering: s.lingering, discards: s.discards,
		observer: s.srv.observer(), upload: isUpload(verb), mode: s.mode, compressor: &s.srv.compressor, quit: s.quit, hard: s.context(s.hard),
	}
	if s.protP {
		t.secure = s.tls
	}
	begin := time.Now()
	end, err := s.entry.StartTransfer(direction(verb), name, t.bytes.Load)
	if err != nil {
		s.holdRefused(port)
		return err
	}
	defer end()
	defer func() { // also after a panic
		if t.conn == nil {
			s.holdRefused(port)
		}
	}()
	m := clientMonitor{session: s, lines: s.lines, cancel: cancel, upload: t.upload}
	err = m.run(preliminary, func() error { return t.run(ctx, work) })
	r := reply{226, "Transfer complete."}
	if err != nil {
		r = replyTo(err)
	}
	s.observe(ctx, event.TransferEnd{Direction: direction(verb), Command: verb, Name: name, Offset: offset, Bytes: t.bytes.Load(),
		Duration: time.Since(begin), Code: r.code, Cause: causeOf(err), Err: err, Opened: t.conn != nil, Stored: t.stored})
	if err != nil {
		return observedError{r}
	}
	return s.ok(r.code, r.text)
}

// direction returns the direction of a command's transfer.
func direction(verb string) proxy.Direction {
	switch {
	case isUpload(verb):
		return proxy.Upload
	case verb == "RETR":
		return proxy.Download
	}
	return proxy.Listing
}

// holdRefused keeps the data port of a transfer that was refused open until the next command, or for lingerTimeout. Clients, e.g. curl
// with TLS, that see a reset data connection before the reply report the reset instead.
func (s *session) holdRefused(port dataPort) {
	s.refused = &refusedPort{port, time.AfterFunc(lingerTimeout, func() {
		defer s.recoverPanic("refused data connection")
		port.Close()
	})}
}

// A refusedPort is closed by its timer or by dropRefused.
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

// cmdAbor runs when no transfer is in progress, or after the one that ABOR has cancelled.
func (s *session) cmdAbor(context.Context, string) error {
	s.closePort()
	return s.ok(226, "ABOR command successful.")
}

// run runs work, and then closes or resets the data connection.
func (t *transfer) run(ctx context.Context, work func(context.Context, *transfer) error) error {
	ended := false
	defer func() { // also after a panic
		if t.conn != nil {
			t.port.Close()
		}
		if t.conn != nil && !ended {
			t.conn.reset()
		}
	}()
	err := work(ctx, t)
	if t.canDiscard(ctx, err) && t.conn.discard(t.lingering, t.discards) {
		ended = true // discard will reset it
	}
	if cause := context.Cause(ctx); err != nil && !t.committed && cause != nil && !errors.Is(cause, context.Canceled) {
		err = because(cause, err)
	}
	if t.conn == nil || err != nil {
		return err
	}
	if !t.upload { // the client ended an upload
		// A client that knows the size may have closed the connection already, e.g. curl after an empty file.
		if err := t.conn.closeWrite(); err != nil && (ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded)) {
			return causedBy(ctx, err)
		}
	}
	ended = true
	t.conn.finish(t.lingering)
	return nil
}

// connect sends the preliminary reply and establishes the data connection. The end of ctx interrupts its I/O.
func (t *transfer) connect(ctx context.Context, opening string) error {
	select {
	case t.preliminary <- reply{150, opening}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	conn, err := t.port.Conn(ctx)
	if err != nil {
		if t.secure != nil { // a client may have connected without its ticket
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

// openEvent returns the event for a new data connection.
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
