package passive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// startSessions calls Listen for each claim in turn. got yields the index i of a claim that has a port, or -1-i after an
// error; end closes a listener.
func startSessions(t *testing.T, p *Ports, claims ...Claim) (got chan int, end func(i int)) {
	got = make(chan int, len(claims))
	listeners := make([]*Listener, len(claims))
	for i, c := range claims {
		go func() {
			l, err := p.Listen(t.Context(), c)
			if err != nil {
				got <- -1 - i
				return
			}
			t.Cleanup(func() { l.Close() })
			listeners[i] = l
			got <- i
		}()
		synctest.Wait()
	}
	return got, func(i int) {
		if listeners[i] == nil {
			t.Fatalf("session %d has no port", i)
		}
		listeners[i].Close()
		synctest.Wait()
	}
}

// wantAssigned checks which claims have been assigned a port since the last call.
func wantAssigned(t *testing.T, when string, got chan int, want ...int) {
	t.Helper()
	var now []int
	for len(got) > 0 {
		now = append(now, <-got)
	}
	slices.Sort(now) // the order is random
	if fmt.Sprint(now) != fmt.Sprint(want) {
		t.Errorf("%s: ports were assigned to %v; want %v", when, now, want)
	}
}

func TestClaimsOfOneAddressTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPorts(newMemoryNet(), 1)
		got, end := startSessions(t, p, withoutID(client), withoutID(client), withoutID(client), withoutID(other))
		wantAssigned(t, "at once", got, 0, 3)
		end(3)
		wantAssigned(t, "after the end of 3", got)
		end(0)
		wantAssigned(t, "after the end of 0", got, 1)
		end(1)
		wantAssigned(t, "after the end of 1", got, 2)
	})
}

func TestLaterClaimsDoNotDelayAWaitingOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPorts(newMemoryNet(), 1)
		got, end := startSessions(t, p, withID(client, "0"), withoutID(client), withID(client, "2"), withoutID(other), withID(client, "4"))
		wantAssigned(t, "at once", got, 0, 3)
		end(0)
		wantAssigned(t, "after the end of 0", got, 1)
		end(1)
		wantAssigned(t, "after the end of 1, which blocked the others", got, 2, 4)
	})
}

func TestTimeoutOfABlockingClaimUnblocksOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPorts(newMemoryNet(), 1)
		p.Wait = time.Second
		got, _ := startSessions(t, p, withID(client, "0"), withoutID(other), withoutID(other), withoutID(client))
		<-time.After(time.Second / 2)
		wantAssigned(t, "at once", got, 0, 1)
		later, _ := startSessions(t, p, withID(client, "0 of later"))
		wantAssigned(t, "behind one without an ID", later)
		<-time.After(time.Second/2 + time.Millisecond)
		wantAssigned(t, "after p.Wait", got, -4, -3)
		wantAssigned(t, "after the timeout of that one", later, 0)
	})
}

func TestCancelOfABlockingClaimUnblocksOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPorts(newMemoryNet(), 1)
		first, _ := startSessions(t, p, withID(client, "0"), withoutID(other), withoutID(other))
		ctx, cancel := context.WithCancel(t.Context())
		middle := make(chan error)
		go func() {
			_, err := p.Listen(ctx, withoutID(client))
			middle <- err
		}()
		synctest.Wait()
		behind, _ := startSessions(t, p, withID(client, "3"))
		wantAssigned(t, "behind one without an ID", behind)
		cancel()
		if err := <-middle; !errors.Is(err, context.Canceled) {
			t.Errorf("%v; want the cause of the cancel", err)
		}
		synctest.Wait()
		wantAssigned(t, "at once after the cancel of that one", behind, 0)
		<-time.After(defaultWait)
		synctest.Wait()
		wantAssigned(t, "while the first of the queue waited", first, -3, 0, 1)
	})
}

// A port that is released at the moment of the timeout is either used or free; it is not lost.
func TestPortReleasedAtTimeoutIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryNet()
		p := newPorts(m, 2)
		p.Wait = time.Second
		taken := 0
		for range 200 {
			held, free := listen(t, p, withoutID(client)), listen(t, p, withoutID(client))
			time.AfterFunc(time.Second, func() {
				free.Close() // wakes the queued claim
				held.Close() // lets the queued claim share
			})
			other := listen(t, p, withoutID(other))
			l, err := p.Listen(t.Context(), withoutID(client))
			switch {
			case err == nil:
				taken++
				l.Close()
			case !errors.Is(err, ErrNoPort):
				t.Fatal(err)
			}
			synctest.Wait()
			other.Close()
			if len(m.sockets) != 0 || len(p.queues) != 0 || m.clashes != 0 {
				t.Fatalf("%d sockets and %d queues left, %d clashes", len(m.sockets), len(p.queues), m.clashes)
			}
		}
		t.Logf("%d of 200 got a port", taken)
	})
}

func TestReleasedPortGoesToTheFirstClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPorts(newMemoryNet(), 2)
		got, end := startSessions(t, p, withoutID(client), withoutID(client), withoutID(client), withoutID(client))
		wantAssigned(t, "at once", got, 0, 1)
		end(1)
		wantAssigned(t, "after the end of 1", got, 2)
		end(0)
		wantAssigned(t, "after the end of 0", got, 3)
	})
}

// Sessions with and without IDs listen, wait, time out and share ports at random. Each gets its own connection.
func TestEverySessionGetsItsOwnConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryNet()
		p := newPorts(m, 3)
		p.Wait = time.Minute
		var sessions sync.WaitGroup
		session := func(id string) error {
			peer := []netip.Addr{client, other}[rand.IntN(2)]
			c := []Claim{withoutID(peer), withID(peer, id), withID(peer, id), withoutID(peer)}[rand.IntN(4)]
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(1000))*time.Millisecond)
			defer cancel()
			l, err := p.Listen(ctx, c)
			if errors.Is(err, context.DeadlineExceeded) {
				return nil
			}
			if err != nil {
				return err
			}
			defer l.Close()
			<-time.After(time.Duration(rand.IntN(10)) * time.Millisecond)
			if rand.IntN(4) == 0 {
				return nil // without a connection
			}
			clientEnd := m.dial(t, peer, netip.AddrPortFrom(server, l.Port()))
			go fmt.Fprintf(clientEnd, "%-8s", id)
			serverEnd, err := l.Conn(t.Context())
			if err != nil {
				return err
			}
			defer serverEnd.Close()
			got := make([]byte, 8)
			if _, err := io.ReadFull(serverEnd, got); err != nil || string(got) != fmt.Sprintf("%-8s", id) {
				return fmt.Errorf("%+v has the connection with ID %q, %v", c, got, err)
			}
			return nil
		}
		for i := range 200 {
			sessions.Go(func() {
				for j := range 5 {
					if err := session(fmt.Sprintf("%d.%d", i, j)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		sessions.Wait()
		if m.clashes != 0 || p.Rejected() != 0 || len(m.sockets) != 0 || len(p.queues) != 0 {
			t.Errorf("%d clashes, %d rejected, %d sockets and %d queues left; want 0",
				m.clashes, p.Rejected(), len(m.sockets), len(p.queues))
		}
	})
}
