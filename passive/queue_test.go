package passive

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestReleasedPortIsAssignedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Ports{First: 60000, Last: 60000, ListenFunc: newMemoryNet().listen}
		held := holdPort(t, p, server)
		time.AfterFunc(333*time.Millisecond, func() { held.Close() })
		start := time.Now()
		holdPort(t, p, server)
		if waited := time.Since(start); waited != 333*time.Millisecond {
			t.Errorf("waited %v for a port that came free after 333ms", waited)
		}
	})
}

// listenEachMillisecond calls Listen for one session per millisecond. Each keeps its port for 10 ms. got returns, in order, the
// number i of a session that got a port, or -1-i after an error.
func listenEachMillisecond(t *testing.T, p *Ports, sessions int, ctx func(i int) context.Context) (got func() []int) {
	order := make(chan int, sessions)
	for i := range sessions {
		time.AfterFunc(time.Duration(i+1)*time.Millisecond, func() {
			l, err := p.Listen(ctx(i), oneHour)
			if err != nil {
				order <- -1 - i
				return
			}
			t.Cleanup(func() { l.Close() })
			order <- i
			time.AfterFunc(10*time.Millisecond, func() { l.Close() })
		})
	}
	return func() (all []int) {
		for range sessions {
			all = append(all, <-order)
		}
		return all
	}
}

func TestPortIsReleasedAfterItsSocketIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryNet()
		m.slow = true
		p := &Ports{First: 60000, Last: 60000, ListenFunc: m.listen}
		for range 10 {
			l, err := p.Listen(t.Context(), Claim{Local: server, Peer: client, Timeout: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
		}
		if m.clashes != 0 {
			t.Errorf("%d times a port was assigned while its socket was still open", m.clashes)
		}
	})
}

func TestFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Ports{First: 60000, Last: 60001, ListenFunc: newMemoryNet().listen}
		a, b := holdPort(t, p, server), holdPort(t, p, server)
		got := listenEachMillisecond(t, p, 20, func(int) context.Context { return t.Context() })
		time.AfterFunc(100*time.Millisecond, func() { a.Close() })
		time.AfterFunc(101*time.Millisecond, func() { b.Close() })
		order := got()
		if len(order) != 20 || !slices.IsSorted(order) || order[0] < 0 {
			t.Errorf("ports were assigned in the order %v", order)
		}
	})
}

func TestCanceledClaimsKeepTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Ports{First: 60000, Last: 60000, ListenFunc: newMemoryNet().listen}
		held := holdPort(t, p, server)
		impatient, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		got := listenEachMillisecond(t, p, 5, func(i int) context.Context {
			if i == 0 || i == 2 { // the first of the queue, and one in the middle
				return impatient
			}
			return t.Context()
		})
		time.AfterFunc(100*time.Millisecond, func() { held.Close() })
		order := got()
		slices.Sort(order[:2]) // both are canceled at the same time
		if want := []int{-3, -1, 1, 3, 4}; !slices.Equal(order, want) {
			t.Errorf("got %v; want %v", order, want)
		}
	})
}

// startListening starts a session that waits for a port, and keeps it for 10 ms.
func startListening(t *testing.T, p *Ports) (done chan error) {
	done = make(chan error, 1)
	go func() {
		l, err := p.Listen(t.Context(), Claim{Local: server, Peer: client, Timeout: 10 * time.Millisecond})
		if err == nil {
			_, err = l.Conn(t.Context())
		}
		done <- err
	}()
	synctest.Wait()
	return done
}

func TestNewClaimDoesNotOvertake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Ports{First: 60000, Last: 60000, ListenFunc: newMemoryNet().listen}
		held := holdPort(t, p, server)
		startListening(t, p)
		start := time.Now()
		held.Close() // wakes the waiting session, but this goroutine may be faster
		holdPort(t, p, server)
		if waited := time.Since(start); waited != 10*time.Millisecond {
			t.Errorf("the new session got the port after %v; want 10ms, after the other one", waited)
		}
	})
}

func TestLocalAddressesHaveSeparateQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := netip.MustParseAddr("2001:db8::1")
		p := &Ports{First: 60000, Last: 60000, ListenFunc: newMemoryNet().listen}
		holdPort(t, p, server)
		done := startListening(t, p)
		start := time.Now()
		holdPort(t, p, other)
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %v for a port of %v, because those of %v are busy", waited, other, server)
		}
		if err := <-done; !errors.Is(err, ErrNoPort) {
			t.Errorf("the session on %v got %v; want ErrNoPort", server, err)
		}
	})
}

func TestIdleQueuesAreDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Ports{First: 60000, Last: 60000, ListenFunc: newMemoryNet().listen}
		addr := netip.MustParseAddr("2001:db8::")
		for range 100 {
			addr = addr.Next()
			l := holdPort(t, p, addr)
			if len(p.queues) != 1 {
				t.Fatalf("%d queues for one port", len(p.queues))
			}
			l.Close()
		}
		if len(p.queues) != 0 {
			t.Errorf("%d queues are left although no port is in use", len(p.queues))
		}
	})
}

// Sessions listen, wait, time out and close in random order. No two may bind the same port.
func TestSessionsDoNotBindTheSamePort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryNet()
		p := &Ports{First: 60000, Last: 60003, Wait: time.Minute, ListenFunc: m.listen}
		var sessions sync.WaitGroup
		for range 200 {
			sessions.Go(func() {
				for range 5 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(1000))*time.Millisecond)
					l, err := p.Listen(ctx, Claim{Local: server, Peer: client, Timeout: time.Duration(rand.IntN(10)) * time.Millisecond})
					if err == nil {
						l.Conn(ctx)
						l.Close()
					}
					cancel()
				}
			})
		}
		sessions.Wait()
		if m.clashes != 0 || m.binds < 100 || len(m.sockets) != 0 || len(p.queues) != 0 {
			t.Errorf("%d binds, %d of them on a port in use; %d sockets and %d queues left",
				m.binds, m.clashes, len(m.sockets), len(p.queues))
		}
	})
}
