package ftp

import (
	"context"
	"syscall"
	"time"
)

// Limits of the grace if Server.CommitGrace is 0.
const (
	minGrace         = 250 * time.Microsecond
	maxTwiceGrace    = 20 * time.Millisecond
	maxTenthGrace    = 100 * time.Millisecond
	maxRTTGrace      = 2 * time.Second // a client can fake a long round trip
	shortUploadGrace = 2 * time.Second // for uploads shorter than announced
)

// grace returns how long to wait for the end of the control connection after an upload.
//
// When Linux kills a process it closes the newest descriptor first: the FIN of the data connection arrives before that of the
// control connection, and on a busy machine the process may be descheduled in between. The grace grows with the duration of the
// upload: a short upload is rarely hit by a kill, and in a long one the wait is not noticed.
func grace(rtt, took time.Duration) time.Duration {
	return max(minGrace, min(2*took, maxTwiceGrace), min(took/10, maxTenthGrace), min(rtt, maxRTTGrace))
}

// maxLocalRTT is the maximum round trip of a client that is assumed to run on this host.
const maxLocalRTT = 200 * time.Microsecond

// busyHostGrace returns the grace for a client on this host, given the number of runnable tasks per processor. A killed process
// must wait for the processor between closing its connections: for a time slice of each other task, and again when one of them
// preempts it. So the wait grows with the square of their number.
func busyHostGrace(load float64, took time.Duration) time.Duration {
	if load <= 1 {
		return 0
	}
	load = min(load, 10)
	return min(time.Duration(load*load*float64(5*time.Millisecond)), time.Duration(8*load*float64(took)))
}

// awaitKilledClient waits for the end of the control connection, and returns an error if the client was killed: then both its
// connections end, while a client that is done keeps the control connection open. A QUIT after the data ends the wait, since a killed
// client cannot send it. suspect means that the upload is shorter than announced.
func (s *session) awaitKilledClient(ctx context.Context, t *transfer, suspect bool) error {
	rtt, _ := tcpState(s.raw)
	took := t.conn.endedAt.Sub(t.conn.openedAt)
	measured := grace(rtt, took)
	wait, busy := s.srv.CommitGrace, time.Duration(0)
	if wait == 0 {
		wait = measured
		if rtt > 0 && rtt < maxLocalRTT {
			busy = busyHostGrace(processorLoad(), took)
		}
	}
	quit := t.quit.behind(t.conn, measured) // not the longer wait, by which a QUIT sent long before the data's end would count
	if suspect {
		wait = max(wait, shortUploadGrace)
	}
	s.waitUntil(ctx, t.conn.endedAt.Add(wait), quit)
	s.awaitIdleProcessor(ctx, t.conn.endedAt.Add(busy), quit, allRun)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	switch {
	case closed(quit):
		return nil
	case s.hasLeft(ctx, quit):
		return errControlLost
	case s.queue.blocked.Load() && hasUnread(s.raw):
		return errTooManyQueued
	}
	return nil
}

// maxIdleCheck is the maximum time between two looks at the load of a busy host.
const maxIdleCheck = 4 * time.Millisecond

// awaitIdleProcessor waits until all runnable tasks of this host have a processor, and for minGrace after it: a killed process that
// waited for one has closed its connections by then. It waits no longer than until end, and ends like waitUntil.
func (s *session) awaitIdleProcessor(ctx context.Context, end time.Time, quit <-chan struct{}, allRun func() bool) {
	begin := time.Now()
	for now := begin; now.Before(end) && ctx.Err() == nil && !closed(s.gone) && !closed(quit); now = time.Now() {
		if allRun() {
			end = now.Add(minGrace)
		}
		pause := min(max(minGrace, now.Sub(begin)), maxIdleCheck) // often at first, seldom on a host that stays busy
		s.waitUntil(ctx, now.Add(min(pause, end.Sub(now))), quit)
	}
}

// timerResolution is the wait below which a Timer is too coarse: on Linux the Go runtime waits in milliseconds.
const timerResolution = 2 * time.Millisecond

// waitUntil waits until end, the end of the control connection, a QUIT or the end of ctx.
func (s *session) waitUntil(ctx context.Context, end time.Time, quit <-chan struct{}) {
	left := time.Until(end)
	if ctx.Err() != nil || closed(s.gone) || closed(quit) || left <= 0 {
		return
	}
	if _, real := below[syscall.Conn](s.raw); real && left < timerResolution && nap(left) {
		return
	}
	s.awaitClientEnd(ctx, left, quit)
}

// awaitClientEnd is waitUntil with a Timer, which is too coarse for short waits.
func (s *session) awaitClientEnd(ctx context.Context, limit time.Duration, quit <-chan struct{}) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-s.gone:
	case <-quit:
	case <-timer.C:
	}
}

// hasLeft reports whether the client has ended the control connection without QUIT.
func (s *session) hasLeft(ctx context.Context, quit <-chan struct{}) bool {
	if !closed(s.gone) {
		if _, ended := tcpState(s.raw); !ended {
			return false
		}
		// Lines before the end may still be unread. The reading goroutine does not see the end while its queue is full, but then QUIT is
		// not the next command after the upload's.
		s.awaitClientEnd(ctx, time.Second, quit)
	}
	return !closed(quit)
}

// closed reports whether c is closed, if nothing is sent on it. A nil channel is not closed.
func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
