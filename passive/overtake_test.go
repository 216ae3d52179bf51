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

// lineUp starts sessions that wait for a port, one after the other, which last until end is called,
// and tells who has got one.
func lineUp(t *testing.T, p *Ports, claims ...Claim) (got chan int, end func(i int)) {
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
			t.Fatalf("session %d has no port that it could give up", i)
		}
		listeners[i].Close()
		synctest.Wait()
	}
}

// wantGot checks who has got a port since it was asked last.
func wantGot(t *testing.T, when string, got chan int, want ...int) {
	t.Helper()
	var now []int
	for len(got) > 0 {
		now = append(now, <-got)
	}
	slices.Sort(now) // at one time, in any order
	if fmt.Sprint(now) != fmt.Sprint(want) {
		t.Errorf("%s: %v have got a port; want %v", when, now, want)
	}
}

func TestClaimsOfOneAddressTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := sharing(newMemory(), 1)
		got, end := lineUp(t, p, plain(client), plain(client), plain(client), plain(other))
		wantGot(t, "at once", got, 0, 3)
		end(3)
		wantGot(t, "when another has done", got)
		end(0)
		wantGot(t, "when the first has done", got, 1)
		end(1)
		wantGot(t, "when the next one has", got, 2)
	})
}

func TestAClaimThatWaitsIsNotKeptWaitingByLaterOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := sharing(newMemory(), 1)
		got, end := lineUp(t, p, shows(client, "0"), plain(client), shows(client, "2"), plain(other), shows(client, "4"))
		wantGot(t, "at once", got, 0, 3)
		end(0)
		wantGot(t, "when the first has done", got, 1)
		end(1)
		wantGot(t, "when the one who was in the way of all has", got, 2, 4)
	})
}

func TestThoseBehindOneWhoGivesUpGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := sharing(newMemory(), 1)
		p.Wait = time.Second
		got, _ := lineUp(t, p, shows(client, "0"), plain(other), plain(other), plain(client))
		<-time.After(time.Second / 2)
		wantGot(t, "at once", got, 0, 1)
		later, _ := lineUp(t, p, shows(client, "0 of the second line"))
		wantGot(t, "behind one without an ID", later)
		<-time.After(time.Second/2 + time.Millisecond)
		wantGot(t, "after a second", got, -4, -3)
		wantGot(t, "when that one has given up", later, 0)
	})
}

func TestThoseBehindOneInTheMiddleWhoGivesUpGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := sharing(newMemory(), 1)
		first, _ := lineUp(t, p, shows(client, "0"), plain(other), plain(other))
		ctx, cancel := context.WithCancel(t.Context())
		middle := make(chan error)
		go func() {
			_, err := p.Listen(ctx, plain(client))
			middle <- err
		}()
		synctest.Wait()
		behind, _ := lineUp(t, p, shows(client, "3"))
		wantGot(t, "behind one without an ID", behind)
		cancel()
		if err := <-middle; !errors.Is(err, context.Canceled) {
			t.Errorf("%v; want the cause of the cancel", err)
		}
		synctest.Wait()
		wantGot(t, "at once when that one has given up", behind, 0)
		<-time.After(defaultWait)
		synctest.Wait()
		wantGot(t, "while the first of the line waited", first, -3, 0, 1)
	})
}

// A port that comes at the very moment when the time is over is either taken or left: it is not lost.
func TestAPortAtTheLastMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := sharing(m, 2)
		p.Wait = time.Second
		taken := 0
		for range 200 {
			held, free := claim(t, p, plain(client)), claim(t, p, plain(client))
			time.AfterFunc(time.Second, func() {
				free.Close() // wakes the one who waits
				held.Close() // lets it share
			})
			other := claim(t, p, plain(other))
			l, err := p.Listen(t.Context(), plain(client))
			switch {
			case err == nil:
				taken++
				l.Close()
			case !errors.Is(err, ErrNoPort):
				t.Fatal(err)
			}
			synctest.Wait()
			other.Close()
			if len(m.sockets) != 0 || len(p.lines) != 0 || m.clashes != 0 {
				t.Fatalf("%d sockets, %d lines left over, %d clashes", len(m.sockets), len(p.lines), m.clashes)
			}
		}
		t.Logf("%d of 200 got a port", taken)
	})
}

func TestThePortThatComesFreeIsTheFirstOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := sharing(newMemory(), 2)
		got, end := lineUp(t, p, plain(client), plain(client), plain(client), plain(client))
		wantGot(t, "at once", got, 0, 1)
		end(1)
		wantGot(t, "when a port is free", got, 2)
		end(0)
		wantGot(t, "when the other is", got, 3)
	})
}

// Sessions of all kinds ask, wait, give up, and come to shared ports. Each one gets its own connection.
func TestEachOfManySessionsGetsItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := sharing(m, 3)
		p.Wait = time.Minute
		var sessions sync.WaitGroup
		session := func(id string) error {
			peer := []netip.Addr{client, other}[rand.IntN(2)]
			c := []Claim{plain(peer), shows(peer, id), shows(peer, id), plain(peer)}[rand.IntN(4)]
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
			near := m.dial(t, peer, netip.AddrPortFrom(server, l.Port()))
			go fmt.Fprintf(near, "%-8s", id)
			far, err := l.Conn(t.Context())
			if err != nil {
				return err
			}
			defer far.Close()
			said := make([]byte, 8)
			if _, err := io.ReadFull(far, said); err != nil || string(said) != fmt.Sprintf("%-8s", id) {
				return fmt.Errorf("%+v has the connection of %q, %v", c, said, err)
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
		if m.clashes != 0 || p.Strangers() != 0 || len(m.sockets) != 0 || len(p.lines) != 0 {
			t.Errorf("%d clashes, %d strangers; %d sockets and %d lines left over; want none",
				m.clashes, p.Strangers(), len(m.sockets), len(p.lines))
		}
	})
}
