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

// ErrNoPort means that no port of the range became free in time. FTP replies 425.
var ErrNoPort = errors.New("no passive port is free")

const (
	defaultWait = 2 * time.Second
	// Ports release each other within this process; a port that another program uses must be polled.
	scanInterval = 250 * time.Millisecond
)

// KeepAlive returns the keep-alive settings of TCP connections. The probes refresh the state of NAT routers and firewalls,
// and detect a dead peer after 75 s. Data connections have no TCP_USER_TIMEOUT, because it would also end the connection
// of a client that pauses reading; the caller has a timeout for that.
func KeepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 4}
}

// Ports is the port range for passive data connections. The zero value lets the operating system choose any port.
//
// Ports is safe for concurrent use, and must not be copied after its first use.
type Ports struct {
	First, Last uint16
	Wait        time.Duration // how long Listen waits if the range is full; 0 = 2 s
	Log         *slog.Logger  // nil = slog.Default()

	// ListenFunc binds an address such as "192.0.2.1:60000" or "[2001:db8::1]:60000"; the network is "tcp".
	// Nil binds a TCP socket with the settings of KeepAlive. The listener must have an address of the same form, and
	// its Accept must return when it is closed.
	ListenFunc func(ctx context.Context, network, address string) (net.Listener, error)

	// ProxyFrom lists the networks of proxies. Connections from there must begin with a PROXY header (see Proxied), and
	// count as coming from the address in it.
	ProxyFrom []netip.Prefix

	// Group returns the network that counts as one client for limits, such as an IPv6 /64; nil = each address alone.
	Group func(netip.Addr) netip.Prefix

	rejected atomic.Uint64
	mu       sync.Mutex
	queues   map[netip.Addr]*queue // by local address
}

// Listen binds a free port of the range, picked at random, on the address c.Local, and waits there in the background for
// the connection of c. The port is released when that connection has arrived, after c.Timeout, or on Close. The caller
// must call Close.
//
// If the range is full, the claim shares a port with other claims, provided that their connections can be distinguished:
// by address, or by ID. Any number of claims with the same Peer and different IDs can share a port. A claim without an ID
// cannot share one with another claim of the same Peer.
//
// If no port can be shared, Listen waits for one, first come, first served among claims that block each other. It returns
// [ErrNoPort] after p.Wait, or the cause of ctx if that ends first. While the host is out of file descriptors or socket
// memory, Listen waits likewise, and then returns that error. The end of ctx does not end the Listener.
func (p *Ports) Listen(ctx context.Context, c Claim) (*Listener, error) {
	c.Local, c.Peer = c.Local.Unmap(), c.Peer.Unmap()
	switch {
	case !c.Local.IsValid() || !c.Peer.IsValid():
		return nil, fmt.Errorf("passive: cannot wait for %v on %v: both must be addresses", c.Peer, c.Local)
	case c.ID != "" && c.Identify == nil:
		return nil, errors.New("passive: a Claim with an ID must have Identify")
	case p.First > p.Last || p.First == 0 && p.Last != 0:
		return nil, fmt.Errorf("passive: invalid port range %d-%d", p.First, p.Last)
	}
	l := newListener(c)
	p.enqueue(l)
	if err := p.await(ctx, l); err != nil && p.dequeue(l) {
		return nil, fmt.Errorf("binding a passive port on %v: %w", c.Local, err)
	}
	return l, nil
}

// Rejected returns the number of connections that were dropped because no listener expected them.
func (p *Ports) Rejected() uint64 { return p.rejected.Load() }

// group returns the network that counts as one client with a.
func (p *Ports) group(a netip.Addr) netip.Prefix {
	if p.Group != nil {
		return p.Group(a)
	}
	return netip.PrefixFrom(a, a.BitLen())
}

func (p *Ports) log() *slog.Logger { return cmp.Or(p.Log, slog.Default()) }

// await waits until l is assigned a port. The first of the queue scans for a free one.
func (p *Ports) await(ctx context.Context, l *Listener) error {
	waiting, cancel := context.WithTimeoutCause(ctx, cmp.Or(p.Wait, defaultWait), ErrNoPort)
	defer cancel()
	reason := ErrNoPort
	var rescan <-chan time.Time
	for {
		select {
		case <-l.assigned:
			return nil
		case <-l.wake:
		case <-rescan:
		case <-waiting.Done():
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return reason
		}
		// A scan is completed even after p.Wait: an incomplete one would not prove that the range is full.
		if !p.setFull(l, false) {
			return nil
		}
		socket, err := p.scan(ctx, l.queue)
		if err == nil {
			p.open(ctx, socket, l)
			return nil
		}
		if !errors.Is(err, ErrNoPort) && !isExhausted(err) {
			return err
		}
		p.setFull(l, true)
		reason, rescan = err, time.After(scanInterval)
	}
}

// scan tries every port of the range once, in random order, and binds the first free one.
func (p *Ports) scan(ctx context.Context, q *queue) (net.Listener, error) {
	reason := ErrNoPort
	for i := range shuffled(int(p.Last-p.First) + 1) {
		at := netip.AddrPortFrom(q.local, p.First+uint16(i))
		if p.isOpen(q, at.Port()) {
			continue
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		socket, err := p.listen(ctx, at.String())
		if err == nil {
			return socket, nil
		}
		// With EACCES the port is reserved, but the next one may be free.
		if !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EACCES) {
			return nil, err
		}
		reason = fmt.Errorf("%w; the last one tried: %w", ErrNoPort, err)
	}
	return nil, reason
}

func (p *Ports) listen(ctx context.Context, address string) (net.Listener, error) {
	if p.ListenFunc != nil {
		return p.ListenFunc(ctx, "tcp", address)
	}
	config := net.ListenConfig{KeepAliveConfig: KeepAlive()}
	// With Multipath TCP, data could arrive from addresses that were not compared with the peer's.
	config.SetMultipathTCP(false)
	return config.Listen(ctx, "tcp", address)
}
