package ftp

import (
	"context"
	"errors"
	"os"
	"slices"
)

// A clientMonitor handles the client's commands while work runs.
type clientMonitor struct {
	*session
	lines  <-chan *line    // nil when no more commands are accepted
	gone   <-chan struct{} // the session's, or nil if work continues without the client
	cancel context.CancelCauseFunc
	upload bool
	begun  bool // the preliminary reply was sent
}

// interruptible runs work, which moves no data and may take long. ABOR cancels its context, and so does the loss of the client,
// unless the client has sent more commands: it may have closed its side after pipelining. A store completes a change that it has
// begun; its result is the reply then. Other commands wait until work has returned.
//
// Work runs in a new goroutine. Until it returns, the session's goroutine does not use the state that commands change.
func (s *session) interruptible(ctx context.Context, work func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	m := clientMonitor{session: s, lines: s.lines, gone: s.gone, cancel: cancel}
	err := m.run(nil, func() error { return work(ctx) })
	if cause := context.Cause(ctx); err != nil && !isRefusal(err) && cause != nil && !errors.Is(cause, context.Canceled) {
		err = because(cause, err)
	}
	return err
}

// A workPanic passes a panic from the work goroutine to the session's.
type workPanic string

func (p workPanic) Error() string { return string(p) }

// run runs work in a new goroutine and monitors the client meanwhile. It panics if work does.
func (m *clientMonitor) run(preliminary <-chan reply, work func() error) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				done <- workPanic(panicError(v).Error())
			}
		}()
		done <- work()
	}()
	err := m.watch(preliminary, done)
	if p, ok := err.(workPanic); ok {
		panic(p) // recovered in serve
	}
	return err
}

// watch sends preliminary replies, and handles the client's commands until done receives.
func (m *clientMonitor) watch(preliminary <-chan reply, done <-chan error) error {
	if slices.ContainsFunc(m.pending, (*line).isAbort) {
		m.cancel(errAborted)
	}
	for {
		select {
		case opening := <-preliminary:
			for m.more && m.lines != nil || len(m.lines) > 0 {
				m.takeLine(<-m.lines)
			}
			m.begun = true
			if !hasUnread(m.raw) { // bytes sent before the 150 do not count as sent after it, even if read later
				m.quit.mark()
			}
			m.send(opening)
		case err := <-done:
			return err
		case <-m.gone:
			m.clientLost()
		case l := <-m.lines:
			m.takeLine(l)
		}
	}
}

// clientLost cancels the work, unless the client has sent more commands.
func (m *clientMonitor) clientLost() {
	m.gone = nil
	for len(m.lines) > 0 { // gone is closed after the last line was put
		m.takeLine(<-m.lines)
	}
	if len(m.pending) == 0 {
		m.cancel(errControlLost)
	}
}

// takeLine handles a received line; nil means that there are no more.
func (m *clientMonitor) takeLine(l *line) {
	if l == nil {
		m.lines = nil
		return
	}
	m.queue.lineTaken()
	m.more = l.more
	m.handleLine(l)
}

// handleLine runs a command or queues it in pending. During a transfer NOOP and STAT run at once, unless they were sent before the
// preliminary reply or after a queued command. ABOR cancels the work at once; its own reply is queued.
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

// send sends a reply. If that fails, it cancels the work; an upload continues after a reset, as the client may have sent QUIT before
// it. See awaitKilledClient.
func (m *clientMonitor) send(r reply) {
	if err := m.write(r); err != nil && (!m.upload || errors.Is(err, os.ErrDeadlineExceeded)) {
		m.lines = nil
		m.cancel(errControlLost)
	}
}
