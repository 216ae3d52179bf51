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

// Probes hold the state of routers on the way, and find dead peers.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second}

// Ports is the range of ports that passive data connections use.
// The zero value lets the system choose any port.
//
// Sessions may call Listen at the same time. Ports must not be copied after that.
type Ports struct {
	First, Last uint16
	Wait        time.Duration // how long Listen waits for a port of a full range; 0 = 2 s
	Log         *slog.Logger  // told about strangers, at debug level; nil = slog.Default()

	// ListenFunc binds an address such as "192.0.2.1:60000" or "[2001:db8::1]:60000"; the network is "tcp".
	// Nil binds a TCP socket of this host, with keep-alive at 15 s. What it returns must have addresses
	// that read like the one above, and its Accept must return when it is closed.
	ListenFunc func(ctx context.Context, network, address string) (net.Listener, error)

	strangers atomic.Uint64
	mu        sync.Mutex
	lines     map[netip.Addr]*line // by local address
}

// A Claim says which connection a Listener awaits. IPv4 addresses mapped to IPv6 are taken as IPv4.
type Claim struct {
	Local, Peer netip.Addr    // where it comes to, and from where
	Timeout     time.Duration // how long it is awaited
}

// Listen binds a free port of the range, picked at random, on the address c.Local, and waits there in the
// background for one connection from c.Peer. The port is free again as soon as that connection has come, when
// c.Timeout is over, or on Close, which the caller owes.
//
// When the range is full, Listen waits for a port, first come first served for each local address. If none
// came free during p.Wait, the error is [ErrNoPort]; if ctx ended before, it is the cause of that.
// Once Listen has returned, ctx has no bearing on the Listener.
func (p *Ports) Listen(ctx context.Context, c Claim) (*Listener, error) {
	c.Local, c.Peer = c.Local.Unmap(), c.Peer.Unmap()
	switch {
	case !c.Local.IsValid() || !c.Peer.IsValid():
		return nil, fmt.Errorf("passive: cannot await %v on %v: not an address", c.Peer, c.Local)
	case p.First > p.Last || p.First == 0 && p.Last != 0:
		return nil, fmt.Errorf("passive: %d-%d is not a range of ports", p.First, p.Last)
	}
	socket, err := p.bind(ctx, c.Local)
	if err != nil {
		return nil, fmt.Errorf("binding a passive port on %v: %w", c.Local, err)
	}
	return newListener(p, socket, c), nil
}

// Strangers returns how many connections were dropped so far because they did not come from the right address.
func (p *Ports) Strangers() uint64 { return p.strangers.Load() }

// bind queues for the local address and takes a port, waiting for one if need be.
// Only the first of the queue looks for a port, so that no two sessions ever try the same one.
func (p *Ports) bind(ctx context.Context, local netip.Addr) (*bound, error) {
	waiting, cancel := context.WithTimeoutCause(ctx, cmp.Or(p.Wait, defaultWait), ErrNoPort)
	defer cancel()
	line, turn := p.enter(local)
	defer p.leave(line, turn)
	select {
	case <-turn:
	case <-waiting.Done():
		return nil, context.Cause(waiting)
	}
	for {
		// A look round, once begun, is finished even when the waiting time is over: only then is the range surely full.
		socket, err := p.scan(ctx, line)
		if err == nil || !errors.Is(err, ErrNoPort) {
			return socket, err
		}
		select {
		case <-line.freed:
		case <-time.After(retry):
		case <-waiting.Done():
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, err
		}
	}
}

// scan tries every port of the range once, in random order, and binds the first that is free.
func (p *Ports) scan(ctx context.Context, line *line) (*bound, error) {
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
			return p.take(line, socket), nil
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
	config := net.ListenConfig{KeepAliveConfig: keepAlive}
	// With Multipath TCP, data could come in from addresses that nobody has compared with the peer's.
	config.SetMultipathTCP(false)
	return config.Listen(ctx, "tcp", address)
}

// addrPort reads an address as package net writes it; it is zero where there is none.
func addrPort(a net.Addr) netip.AddrPort {
	if a == nil {
		return netip.AddrPort{}
	}
	ap, _ := netip.ParseAddrPort(a.String())
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
