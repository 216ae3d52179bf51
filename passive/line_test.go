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

func TestAFreedPortGoesToTheWaitingAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Ports{First: 60000, Last: 60000, ListenFunc: newMemory().listen}
		held := hold(t, p, server)
		time.AfterFunc(333*time.Millisecond, func() { held.Close() })
		start := time.Now()
		hold(t, p, server)
		if waited := time.Since(start); waited != 333*time.Millisecond {
			t.Errorf("waited %v for a port that came free after 333ms", waited)
		}
	})
}

// queueUp lets sessions ask for a port, one a millisecond. Each one keeps its port for 10 ms and
// tells its number when it has got it, or -1-number when it has not.
func queueUp(t *testing.T, p *Ports, sessions int, ctx func(i int) context.Context) (got func() []int) {
	order := make(chan int, sessions)
	for i := range sessions {
		time.AfterFunc(time.Duration(i+1)*time.Millisecond, func() {
			l, err := p.Listen(ctx(i), anHour)
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

func TestAPortIsFreeOnlyWhenItsSocketIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
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
			t.Errorf("%d times a port was given to the next session while its socket was still open", m.clashes)
		}
	})
}

func TestFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Ports{First: 60000, Last: 60001, ListenFunc: newMemory().listen}
		a, b := hold(t, p, server), hold(t, p, server)
		got := queueUp(t, p, 20, func(int) context.Context { return t.Context() })
		time.AfterFunc(100*time.Millisecond, func() { a.Close() })
		time.AfterFunc(101*time.Millisecond, func() { b.Close() })
		order := got()
		if len(order) != 20 || !slices.IsSorted(order) || order[0] < 0 {
			t.Errorf("ports were given out in the order %v", order)
		}
	})
}

func TestThoseWhoGiveUpLoseNobodysTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Ports{First: 60000, Last: 60000, ListenFunc: newMemory().listen}
		held := hold(t, p, server)
		impatient, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		got := queueUp(t, p, 5, func(i int) context.Context {
			if i == 0 || i == 2 { // the first, whose turn it is, and one in the middle
				return impatient
			}
			return t.Context()
		})
		time.AfterFunc(100*time.Millisecond, func() { held.Close() })
		order := got()
		slices.Sort(order[:2]) // those who gave up, both at one time
		if want := []int{-3, -1, 1, 3, 4}; !slices.Equal(order, want) {
			t.Errorf("got %v; want %v", order, want)
		}
	})
}

// waiter starts a session that waits for a port, and keeps it for 10 ms once it has got it.
func waiter(t *testing.T, p *Ports) (done chan error) {
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

func TestANewcomerDoesNotOvertake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Ports{First: 60000, Last: 60000, ListenFunc: newMemory().listen}
		held := hold(t, p, server)
		waiter(t, p)
		start := time.Now()
		held.Close() // wakes the one who waits, but this goroutine may well be faster
		hold(t, p, server)
		if waited := time.Since(start); waited != 10*time.Millisecond {
			t.Errorf("the newcomer got the port after %v; want 10ms, when the other one had done", waited)
		}
	})
}

func TestAddressesDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := netip.MustParseAddr("2001:db8::1")
		p := &Ports{First: 60000, Last: 60000, ListenFunc: newMemory().listen}
		hold(t, p, server)
		done := waiter(t, p)
		start := time.Now()
		hold(t, p, other)
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %v for a port of %v, because those of %v are busy", waited, other, server)
		}
		if err := <-done; !errors.Is(err, ErrNoPort) {
			t.Errorf("the one who waited for %v got %v; want ErrNoPort", server, err)
		}
	})
}

func TestLinesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Ports{First: 60000, Last: 60000, ListenFunc: newMemory().listen}
		addr := netip.MustParseAddr("2001:db8::")
		for range 100 {
			addr = addr.Next()
			l := hold(t, p, addr)
			if len(p.lines) != 1 {
				t.Fatalf("%d lines for one port", len(p.lines))
			}
			l.Close()
		}
		if len(p.lines) != 0 {
			t.Errorf("%d lines are left though no port is in use", len(p.lines))
		}
	})
}

// Sessions ask, wait, give up and close in every order; no two may ever try one port.
func TestSessionsDoNotRaceForAPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
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
		if m.clashes != 0 || m.binds < 100 || len(m.sockets) != 0 || len(p.lines) != 0 {
			t.Errorf("%d binds, %d of them on a port of ours; %d sockets and %d lines left over",
				m.binds, m.clashes, len(m.sockets), len(p.lines))
		}
	})
}
