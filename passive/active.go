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
	"syscall"
)

// Dialer opens active data connections. The zero value dials from any port.
//
// Sessions may dial at the same time. A Dialer must not be copied after its first use.
type Dialer struct {
	Port uint16       // source port wanted, by RFC 959 one below the control connection's; 0 = any
	Log  *slog.Logger // told, as a warning, why Port could not be had; nil = slog.Default()

	// DialFunc connects from local to remote; the network is "tcp". Nil makes a TCP connection with keep-alive at 15 s.
	DialFunc func(ctx context.Context, network string, local, remote netip.AddrPort) (net.Conn, error)

	warned sync.Map // the causes, by syscall.Errno, that the log has seen
}

// refusals are the reasons why a source port cannot be had while another one may do.
var refusals = []syscall.Errno{
	syscall.EACCES,        // ports below 1024 may need a privilege
	syscall.EADDRINUSE,    // another program has it
	syscall.EADDRNOTAVAIL, // it still has, or had a moment ago, a connection to this very remote
}

// Dial connects to remote from the address local, which is the control connection's own, and from d.Port if
// that can be had; otherwise from any port, with one warning in the log for each cause. ctx bounds the time;
// it has no bearing on the connection that Dial returns.
//
// Dial connects where it is told: that remote is the control connection's peer, and its port no system port,
// is the caller's to check. Only what would lead elsewhere than it says, such as 0.0.0.0, is refused.
func (d *Dialer) Dial(ctx context.Context, local netip.Addr, remote netip.AddrPort) (net.Conn, error) {
	local = local.Unmap()
	remote = netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
	if !local.IsValid() || !remote.IsValid() || remote.Addr().IsUnspecified() || remote.Port() == 0 {
		return nil, fmt.Errorf("passive: cannot connect from %v to %v: not the address of a host", local, remote)
	}
	conn, err := d.persist(ctx, netip.AddrPortFrom(local, d.Port), remote)
	if cause := refusal(err); cause != 0 && d.Port != 0 {
		if _, told := d.warned.LoadOrStore(cause, true); !told {
			cmp.Or(d.Log, slog.Default()).Warn("active data connections leave from any port where theirs cannot be had",
				"port", d.Port, "err", err)
		}
		conn, err = d.persist(ctx, netip.AddrPortFrom(local, 0), remote)
	}
	if err != nil {
		return nil, fmt.Errorf("opening a data connection to %v: %w", remote, err)
	}
	return conn, nil
}

// persist dials until ctx ends while the host is out of descriptors or memory.
func (d *Dialer) persist(ctx context.Context, local, remote netip.AddrPort) (net.Conn, error) {
	var pause backoff
	for {
		conn, err := d.dial(ctx, local, remote)
		if err == nil || !isExhausted(err) || !pause.wait(ctx) {
			return conn, err
		}
	}
}

func (d *Dialer) dial(ctx context.Context, local, remote netip.AddrPort) (net.Conn, error) {
	if d.DialFunc != nil {
		return d.DialFunc(ctx, "tcp", local, remote)
	}
	dialer := net.Dialer{KeepAliveConfig: KeepAlive()}
	if local.Port() != 0 {
		dialer.Control = shareLocalPort // with each connection that uses it, at present or of late
	}
	return dialer.DialTCP(ctx, "tcp", local, remote)
}

// refusal returns which of the refusals err is, or 0.
func refusal(err error) syscall.Errno {
	for _, errno := range refusals {
		if errors.Is(err, errno) {
			return errno
		}
	}
	return 0
}
