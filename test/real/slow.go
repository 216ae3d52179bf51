package real

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// chunk is the number of bytes that a slow connection delays together.
const chunk = 32 << 10

// Slow returns the address of a TCP proxy to target. It delays data by half of rtt in each direction, delays connecting by rtt,
// and limits each direction of a connection to bytesPerSecond; 0 = unlimited. It closes at the end of the test.
func Slow(t testing.TB, target string, rtt time.Duration, bytesPerSecond int64) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &slowWay{target: target, delay: rtt / 2, rate: bytesPerSecond, ended: make(chan struct{})}
	w.all.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			w.all.Go(func() { w.carry(near.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		close(w.ended)
		w.all.Wait()
	})
	return l.Addr().String()
}

type slowWay struct {
	target string
	delay  time.Duration
	rate   int64
	ended  chan struct{}
	all    sync.WaitGroup
}

// carry copies the data of one connection in both directions.
func (w *slowWay) carry(near *net.TCPConn) {
	defer near.Close()
	conn, err := net.Dial("tcp", w.target)
	if err != nil {
		near.SetLinger(0)
		return
	}
	far := conn.(*net.TCPConn)
	defer far.Close()
	begin := time.Now().Add(2 * w.delay) // when the connection is established
	done := make(chan struct{})
	go func() {
		select {
		case <-w.ended:
			near.Close()
			far.Close()
		case <-done:
		}
	}()
	var both sync.WaitGroup
	both.Go(func() { w.move(far, near, begin) })
	both.Go(func() { w.move(near, far, begin) })
	both.Wait()
	close(done)
}

// late is data, or the end of it, with the time at which it arrives.
type late struct {
	at  time.Time
	b   []byte
	err error
}

// move reads one direction. The data in flight is limited, so that the sender is slowed down to the rate.
func (w *slowWay) move(to, from *net.TCPConn, begin time.Time) {
	room := 4 + int(float64(w.rate)*w.delay.Seconds()/chunk)
	if w.rate == 0 {
		room = 1024
	}
	way, gone := make(chan late, room), make(chan struct{})
	go func() {
		defer close(gone)
		deliver(to, from, way)
	}()
	for sent, more := begin, true; more; {
		b := make([]byte, chunk)
		n, err := from.Read(b)
		if now := time.Now(); sent.Before(now) {
			sent = now
		}
		if w.rate > 0 {
			sent = sent.Add(time.Duration(float64(n) / float64(w.rate) * float64(time.Second)))
		}
		more = err == nil
		select {
		case way <- late{sent.Add(w.delay), b[:n], err}:
		case <-gone:
			more = false
		}
	}
	close(way)
	<-gone
}

// deliver writes data in flight at its arrival time, and then the end of the data or a reset.
func deliver(to, from *net.TCPConn, way <-chan late) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for l := range way {
		timer.Reset(time.Until(l.at))
		<-timer.C
		_, err := to.Write(l.b)
		switch {
		case err != nil:
			from.SetLinger(0)
			from.Close()
			return
		case errors.Is(l.err, io.EOF):
			to.CloseWrite()
		case l.err != nil:
			to.SetLinger(0)
			to.Close()
		}
	}
}
