package passive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// ErrNoPort says that no port of the range came free in time. In FTP that is a 425.
var ErrNoPort = errors.New("no passive port is free")

const (
	defaultWait = 2 * time.Second
	// Ports of our own announce when they come free; those of other programs have to be tried.
	retry = 250 * time.Millisecond
)

// KeepAlive returns how TCP connections are probed, which holds the state of routers on the way, and finds a dead peer after 75 s.
// On data connections there is no TCP_USER_TIMEOUT: it would end, too, the connection of a client that is alive and
// reads nothing for a while, which is for the caller to judge.
func KeepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 4}
}

// Ports is the range of ports that passive data connections use.
// The zero value lets the system choose any port.
//
// Sessions may call Listen at the same time. Ports must not be copied after that.
type Ports struct {
	First, Last uint16
	Wait        time.Duration // how long Listen waits for a port of a full range; 0 = 2 s
	Log         *slog.Logger  // nil = slog.Default()

	// ListenFunc binds an address such as "192.0.2.1:60000" or "[2001:db8::1]:60000"; the network is "tcp".
	// Nil binds a TCP socket of this host, with keep-alive at 15 s. What it returns must have addresses
	// that read like the one above, and its Accept must return when it is closed.
	ListenFunc func(ctx context.Context, network, address string) (net.Listener, error)

	// ProxyFrom are the networks of the proxies through which clients come. What comes from there has to begin with a
	// PROXY header, as in Proxied, and comes from the address in it.
	ProxyFrom []netip.Prefix

	// Group returns the addresses that count as one client where connections are limited; nil = each address alone.
	Group func(netip.Addr) netip.Prefix

	strangers atomic.Uint64
	mu        sync.Mutex
	lines     map[netip.Addr]*line // by local address
}

// Listen binds a free port of the range, picked at random, on the address c.Local, and waits there in the
// background for the connection of c. The port is free again as soon as that connection has come, when
// c.Timeout is over, or on Close, which the caller owes.
//
// When the range is full, the port is one where others wait already, if their connections and that of c can be
// told apart: by the address they come from or by their IDs. Of one Peer, any number of claims with different IDs can
// wait on one port, but with a claim that has no ID no other.
//
// When that cannot be, Listen waits for a port, first come first served among those who are in each other's way.
// If none came free during p.Wait, the error is [ErrNoPort]; if ctx ended before, it is the cause of that. So does Listen
// wait while the host is out of descriptors or memory, whose error it then returns.
// Once Listen has returned, ctx has no bearing on the Listener.
func (p *Ports) Listen(ctx context.Context, c Claim) (*Listener, error) {
	c.Local, c.Peer = c.Local.Unmap(), c.Peer.Unmap()
	switch {
	case !c.Local.IsValid() || !c.Peer.IsValid():
		return nil, fmt.Errorf("passive: cannot await %v on %v: not an address", c.Peer, c.Local)
	case c.ID != "" && c.Identify == nil:
		return nil, errors.New("passive: nobody tells the IDs of connections")
	case p.First > p.Last || p.First == 0 && p.Last != 0:
		return nil, fmt.Errorf("passive: %d-%d is not a range of ports", p.First, p.Last)
	}
	l := newListener(c)
	p.enter(l)
	if err := p.await(ctx, l); err != nil && p.leave(l) {
		return nil, fmt.Errorf("binding a passive port on %v: %w", c.Local, err)
	}
	return l, nil
}

// Strangers returns how many connections were dropped so far because nobody awaited them from their address, or
// because it could not be told whose they were.
func (p *Ports) Strangers() uint64 { return p.strangers.Load() }

// group returns the addresses that count as one client together with a.
func (p *Ports) group(a netip.Addr) netip.Prefix {
	if p.Group != nil {
		return p.Group(a)
	}
	return netip.PrefixFrom(a, a.BitLen())
}

func (p *Ports) log() *slog.Logger { return cmp.Or(p.Log, slog.Default()) }

// await finds l a door, waiting for one if need be.
func (p *Ports) await(ctx context.Context, l *Listener) error {
	waiting, cancel := context.WithTimeoutCause(ctx, cmp.Or(p.Wait, defaultWait), ErrNoPort)
	defer cancel()
	full := ErrNoPort
	var again <-chan time.Time
	for {
		select {
		case <-l.admitted:
			return nil
		case <-l.wake:
		case <-again:
		case <-waiting.Done():
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return full
		}
		// A look round, once begun, is finished even when the waiting time is over: only then is the range surely full.
		if !p.look(l, false) {
			return nil
		}
		socket, err := p.scan(ctx, l.line)
		if err == nil {
			p.open(ctx, socket, l)
			return nil
		}
		if !errors.Is(err, ErrNoPort) && !isExhausted(err) {
			return err
		}
		p.look(l, true)
		full, again = err, time.After(retry)
	}
}

// scan tries every port of the range once, in random order, and binds the first that is free.
func (p *Ports) scan(ctx context.Context, line *line) (net.Listener, error) {
	full := ErrNoPort
	for i := range shuffled(int(p.Last-p.First) + 1) {
		at := netip.AddrPortFrom(line.local, p.First+uint16(i))
		if p.taken(line, at.Port()) {
			continue
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		socket, err := p.listen(ctx, at.String())
		if err == nil {
			return socket, nil
		}
		// EACCES: this port is reserved for others, which says nothing about the next one.
		if !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EACCES) {
			return nil, err
		}
		full = fmt.Errorf("%w, the last one tried: %w", ErrNoPort, err)
	}
	return nil, full
}

func (p *Ports) listen(ctx context.Context, address string) (net.Listener, error) {
	if p.ListenFunc != nil {
		return p.ListenFunc(ctx, "tcp", address)
	}
	config := net.ListenConfig{KeepAliveConfig: KeepAlive()}
	// With Multipath TCP, data could come in from addresses that nobody has compared with the peer's.
	config.SetMultipathTCP(false)
	return config.Listen(ctx, "tcp", address)
}
