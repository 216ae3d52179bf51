package passive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A failing listener returns errs from Accept before any connection.
type failing struct {
	net.Listener
	errs chan error
}

func failingWith(l net.Listener, errs ...error) failing {
	f := failing{l, make(chan error, len(errs))}
	for _, err := range errs {
		f.errs <- &net.OpError{Op: "accept", Net: "tcp", Err: err}
	}
	return f
}

func (f failing) Accept() (net.Conn, error) {
	select {
	case err := <-f.errs:
		return nil, err
	default:
		return f.Listener.Accept()
	}
}

func repeated(errno syscall.Errno, n int) []error {
	var errs []error
	for range n {
		errs = append(errs, os.NewSyscallError("accept4", errno))
	}
	return errs
}

func TestAcceptRetriesTemporaryErrors(t *testing.T) {
	for _, errno := range append(exhaustionErrors, connectionErrors...) {
		synctest.Test(t, func(t *testing.T) {
			l, _ := newMemoryNet().listen(t.Context(), "tcp", "192.0.2.1:21")
			defer l.Close()
			go func() {
				clientEnd, _ := net.Pipe()
				l.(*memoryListener).backlog <- clientEnd
			}()
			begin := time.Now()
			var log bytes.Buffer
			conn, err := Accept(t.Context(), failingWith(l, repeated(errno, 10)...), logRetries(logTo(&log), l))
			if err != nil {
				t.Fatalf("%v: %v", errno, err)
			}
			conn.Close()
			// 5, 10, 20, ... 640 ms, 1 s, 1 s
			if took := time.Since(begin); took != 3275*time.Millisecond {
				t.Errorf("%v: ten failures took %v", errno, took)
			}
			if n := strings.Count(log.String(), "\n"); n != 1 {
				t.Errorf("%v: %d lines in the log; want one:\n%s", errno, n, log.String())
			}
		})
	}
}

func TestAcceptWarnsOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := newMemoryNet().listen(t.Context(), "tcp", "192.0.2.1:21")
		l.Close()
		var log bytes.Buffer
		_, err := Accept(t.Context(), failingWith(l, repeated(syscall.EMFILE, 130)...), logRetries(logTo(&log), l))
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v; want net.ErrClosed", err)
		}
		if n := strings.Count(log.String(), "\n"); n != 3 {
			t.Errorf("%d warnings in 125 s; want 3:\n%s", n, log.String())
		}
	})
}

func TestAcceptEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := newMemoryNet().listen(t.Context(), "tcp", "192.0.2.1:21")
		defer l.Close()
		why := errors.New("the end")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, why)
		defer cancel()
		if _, err := (RetryListener{failingWith(l, repeated(syscall.EMFILE, 1)...), ctx, silent}).Accept(); err != why {
			t.Errorf("got %v; want %v", err, why)
		}
	})
}

// failingPorts returns ports with sockets that first return these errors from Accept.
func failingPorts(m *memoryNet, errs ...error) *Ports {
	return &Ports{First: 60000, Last: 60000, Log: silent, ListenFunc: func(ctx context.Context, network, address string) (net.Listener, error) {
		l, err := m.listen(ctx, network, address)
		return failingWith(l, errs...), err
	}}
}

func TestTemporaryAcceptErrorEndsNoWait(t *testing.T) {
	for _, errno := range append(exhaustionErrors, connectionErrors...) {
		synctest.Test(t, func(t *testing.T) {
			m := newMemoryNet()
			p := failingPorts(m, repeated(errno, 3)...)
			first := listen(t, p, Claim{Local: server, Peer: client, Timeout: 20 * time.Second})
			other := netip.MustParseAddr("198.51.100.8")
			second := listen(t, p, Claim{Local: server, Peer: other, Timeout: 20 * time.Second}) // on the same port
			go func() {
				m.dial(t, client, netip.AddrPortFrom(server, 60000))
				m.dial(t, other, netip.AddrPortFrom(server, 60000))
			}()
			for _, l := range []*Listener{first, second} {
				conn, err := l.Conn(t.Context())
				if err != nil {
					t.Fatalf("%v ended a wait: %v", errno, err)
				}
				conn.Close()
			}
		})
	}
}

func TestPortThatCannotAcceptClosesWithItsLastClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryNet()
		p := failingPorts(m, repeated(syscall.EMFILE, 1000)...)
		l := listen(t, p, Claim{Local: server, Peer: client, Timeout: 20 * time.Second})
		begin := time.Now()
		if _, err := l.Conn(t.Context()); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != 20*time.Second {
			t.Errorf("got %v after %v; want os.ErrDeadlineExceeded after 20 s", err, time.Since(begin))
		}
		synctest.Wait() // goleak reports a goroutine of the port, or a backoff, that has not ended
		if len(m.sockets) != 0 || len(p.queues) != 0 {
			t.Errorf("%d sockets and %d queues are left", len(m.sockets), len(p.queues))
		}
	})
}

func TestListenWaitsForDescriptors(t *testing.T) {
	for _, errno := range exhaustionErrors {
		for _, passes := range []bool{true, false} {
			t.Run(fmt.Sprint(errno, passes), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m := newMemoryNet()
					at := netip.AddrPortFrom(server, 60000)
					m.occupy(at, errno)
					if passes {
						time.AfterFunc(time.Second, func() { m.occupy(at, 0) })
					}
					begin := time.Now()
					l, err := (&Ports{First: 60000, Last: 60000, ListenFunc: m.listen}).Listen(t.Context(), oneHour)
					if passes {
						if err != nil || time.Since(begin) > 1250*time.Millisecond {
							t.Fatalf("got %v after %v; want a port within 1.25 s", err, time.Since(begin))
						}
						l.Close()
					} else if !errors.Is(err, errno) || time.Since(begin) != defaultWait {
						t.Errorf("got %v after %v; want %v after %v", err, time.Since(begin), errno, defaultWait)
					}
				})
			})
		}
	}
}

func TestDialWaitsForDescriptors(t *testing.T) {
	for _, errno := range exhaustionErrors {
		synctest.Test(t, func(t *testing.T) {
			times := 0
			d := &Dialer{Port: 20, Log: silent, DialFunc: func(context.Context, string, netip.AddrPort, netip.AddrPort) (net.Conn, error) {
				if times++; times < 4 {
					return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", errno)}
				}
				clientEnd, _ := net.Pipe()
				return clientEnd, nil
			}}
			remote := netip.AddrPortFrom(client, 5000)
			if conn, err := d.Dial(t.Context(), server, remote); err != nil {
				t.Errorf("%v ended a dial: %v", errno, err)
			} else {
				conn.Close()
			}
			times = -1000
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if _, err := d.Dial(ctx, server, remote); !errors.Is(err, errno) {
				t.Errorf("got %v; want %v at the end of the context", err, errno)
			}
		})
	}
}
