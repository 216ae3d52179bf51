package ftp

import (
	"context"
	"syscall"
	"time"
)

// Bounds of the grace where Server.CommitGrace does not fix it.
const (
	minGrace         = 250 * time.Microsecond
	maxTwiceGrace    = 20 * time.Millisecond
	maxTenthGrace    = 100 * time.Millisecond
	maxRTTGrace      = 2 * time.Second // a client can make its round trips look long
	shortUploadGrace = 2 * time.Second // after an upload that is shorter than announced
)

// grace returns how long to wait for the end of the control connection after an upload that took so long.
//
// When Linux kills a process, it closes the descriptor that was opened last first: the FIN of the data connection arrives before
// that of the control connection, and on a busy machine the process may lose the processor between the two.
// A kill seldom falls into a short upload, and a long upload hides a long grace. A round trip covers the network.
func grace(rtt, took time.Duration) time.Duration {
	return max(minGrace, min(2*took, maxTwiceGrace), min(took/10, maxTenthGrace), min(rtt, maxRTTGrace))
}

// maxLocalRTT is the longest round trip for which a client is taken to run on this host.
const maxLocalRTT = 200 * time.Microsecond

// busyHostGrace returns the grace for a client on this host after an upload that took so long, where so many other tasks want each
// processor. A killed process waits for the processor between the ends of its connections: while each of the others has a slice
// of some milliseconds, and again when one that wakes up comes before it. So the wait grows with the square of their number.
func busyHostGrace(load float64, took time.Duration) time.Duration {
	if load <= 1 {
		return 0
	}
	load = min(load, 10)
	return min(time.Duration(load*load*float64(5*time.Millisecond)), time.Duration(8*load*float64(took)))
}

// awaitKilledClient waits for the end of the control connection, and returns an error if it comes: a client that is killed ends its data
// connection like one that is done, but its control connection ends as well. A QUIT behind the data ends the wait, as a killed
// client cannot send it. A suspect upload is one that is shorter than announced.
func (s *session) awaitKilledClient(ctx context.Context, t *transfer, suspect bool) error {
	rtt, _ := tcpState(s.raw)
	took := t.conn.endedAt.Sub(t.conn.openedAt)
	measured := grace(rtt, took)
	wait := s.srv.CommitGrace
	if wait == 0 {
		wait = measured
		if rtt > 0 && rtt < maxLocalRTT {
			wait = max(wait, busyHostGrace(processorLoad(), took))
		}
	}
	quit := t.quit.behind(t.conn, measured) // a longer wait must not make a QUIT count that came long before the data
	if suspect {
		wait = max(wait, shortUploadGrace)
	}
	s.waitUntil(ctx, t.conn.endedAt.Add(wait), quit)
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

// exactly is the longest pause for which a Timer is too coarse: the Go runtime waits in whole milliseconds on Linux.
const timerResolution = 2 * time.Millisecond

// pause waits until end, or until there is nothing more to wait for.
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

// awaitClientEnd waits for the end of the control connection, a QUIT or the end of ctx, but not longer than limit.
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

// lost reports whether the client has ended the control connection without a QUIT.
func (s *session) hasLeft(ctx context.Context, quit <-chan struct{}) bool {
	if !closed(s.gone) {
		if _, ended := tcpState(s.raw); !ended {
			return false
		}
		// There may be lines before the end that the reading goroutine has not seen yet. It does not see the end while its queue is
		// full, but then no QUIT follows the upload's command at once.
		s.awaitClientEnd(ctx, time.Second, quit)
	}
	return !closed(quit)
}

// closed reports whether a channel is closed to which nothing is sent. A nil channel is not.
func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
