package ftp

import (
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// The grace period is longer, up to a limit, only on a host with more runnable tasks than processors.
func TestCrowdedGrace(t *testing.T) {
	for _, c := range []struct {
		load       float64
		took, want time.Duration
	}{
		{0, time.Hour, 0},
		{1, time.Hour, 0},
		{2, time.Hour, 20 * time.Millisecond},
		{2, time.Millisecond, 16 * time.Millisecond},
		{4, time.Hour, 80 * time.Millisecond},
		{10, time.Hour, 500 * time.Millisecond},
		{1000, time.Hour, 500 * time.Millisecond},
	} {
		if got := busyHostGrace(c.load, c.took); got != c.want {
			t.Errorf("%v tasks a processor, upload %v: %v, want %v", c.load, c.took, got, c.want)
		}
	}
}

// On a busy host the grace ends soon after a moment in which all tasks ran, and otherwise at its end.
func TestGraceEndsWhenIdle(t *testing.T) {
	for _, c := range []struct{ idleAfter, least, most time.Duration }{
		{0, minGrace, minGrace},
		{3 * time.Millisecond, 3 * time.Millisecond, 6*time.Millisecond + minGrace},
		{50 * time.Millisecond, 50 * time.Millisecond, 50*time.Millisecond + maxIdleCheck + minGrace},
		{time.Hour, 80 * time.Millisecond, 80 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			raw, client := net.Pipe()
			defer raw.Close()
			defer client.Close()
			s := &session{raw: raw, gone: make(chan struct{})}
			begin := time.Now()
			s.awaitIdleProcessor(t.Context(), begin.Add(80*time.Millisecond), nil, func() bool { return time.Since(begin) >= c.idleAfter })
			if took := time.Since(begin); took < c.least || took > c.most {
				t.Errorf("idle after %v: waited %v, want %v to %v", c.idleAfter, took, c.least, c.most)
			}
		})
	}
}

func TestRunnable(t *testing.T) {
	for text, want := range map[string]int{"0.20 0.18 0.12 3/80 11206\n": 3, "12.51 9.73 7.36 14/512 9\n": 14, "": 0, "x": 0, "/": 0, "0.1 0.1 /": 0} {
		if got := runnable([]byte(text)); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
}

func TestCountList(t *testing.T) {
	for list, want := range map[string]int{"0": 1, "0-3": 4, "0-3,8,10-11": 7, "": 0, "x": 0, "3-0": 0, "0-": 0} {
		if got := countList(list); got != want {
			t.Errorf("%q: %d, want %d", list, got, want)
		}
	}
	if n := processors(); n < 1 {
		t.Errorf("%d processors", n)
	}
	if load := processorLoad(); load < 0 {
		t.Errorf("%v tasks a processor", load)
	}
}

func TestHasUnread(t *testing.T) {
	client, server := tcpPair(t)
	if hasUnread(server) {
		t.Error("hasUnread reports bytes before any was sent")
	}
	client.Write([]byte("QUIT\r\n"))
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 5000 {
		if hasUnread(server) {
			return
		}
		<-tick.C
	}
	t.Error("hasUnread does not report the sent bytes")
}

// BenchmarkNap measures a short wait with nap, BenchmarkTimer one with a Timer.
func BenchmarkNap(b *testing.B) {
	for b.Loop() {
		if !nap(minGrace) {
			b.Fatal("nap has no timer")
		}
	}
}

func BenchmarkTimer(b *testing.B) {
	for b.Loop() {
		<-time.After(minGrace)
	}
}

// A QUIT that arrived before the 150 was sent, and is read later, does not end the grace period: it says nothing about the data.
func TestQuitBefore150DoesNotEndGrace(t *testing.T) {
	for _, ahead := range []string{"", "QUIT\r\n"} {
		client, server := tcpPair(t)
		client.Write([]byte(ahead))
		for deadline := time.Now().Add(time.Minute); ahead != "" && !hasUnread(server) && time.Now().Before(deadline); {
			runtime.Gosched()
		}
		s := &session{srv: &Server{}, raw: server, conn: server, quit: newQuitNotice()}
		marks, done := make(chan reply), make(chan error)
		go func() {
			marks <- reply{150, "Opening."}
			done <- nil
		}()
		a := clientMonitor{session: s}
		if err := a.watch(marks, done); err != nil {
			t.Fatal(err)
		}
		s.quit.quit(time.Now())
		if counts := closed(s.quit.read); counts != (ahead == "") {
			t.Errorf("with %q sent before 150: QUIT ends the grace period: %v", ahead, counts)
		}
	}
}
