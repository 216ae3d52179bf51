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

// A Dialer opens active data connections. The zero value dials from any port.
//
// A Dialer is safe for concurrent use, and must not be copied after its first use.
type Dialer struct {
	Port uint16       // preferred source port, by RFC 959 the control port minus 1; 0 = any
	Log  *slog.Logger // gets a warning when Port cannot be bound; nil = slog.Default()

	// DialFunc connects from local to remote; the network is "tcp". Nil means a TCP connection with the settings of KeepAlive.
	DialFunc func(ctx context.Context, network string, local, remote netip.AddrPort) (net.Conn, error)

	warned sync.Map // errors that have been logged, by syscall.Errno
}

// sourcePortErrors mean that the source port cannot be used, but another one may work.
var sourcePortErrors = []syscall.Errno{
	syscall.EACCES,        // ports below 1024 may need a privilege
	syscall.EADDRINUSE,    // another program uses it
	syscall.EADDRNOTAVAIL, // a connection from it to this remote address exists, or did until recently
}

// Dial connects to remote from local, the local address of the control connection, and from d.Port. If that port cannot be
// bound, Dial uses any other, and logs one warning for each error. ctx limits the dial, not the connection returned.
//
// The caller must check that remote is the control connection's peer and that its port is allowed. Dial rejects only
// addresses that are not a host's, such as 0.0.0.0.
func (d *Dialer) Dial(ctx context.Context, local netip.Addr, remote netip.AddrPort) (net.Conn, error) {
	local = local.Unmap()
	remote = netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
	if !local.IsValid() || !remote.IsValid() || remote.Addr().IsUnspecified() || remote.Port() == 0 {
		return nil, fmt.Errorf("passive: cannot connect from %v to %v: must be unicast addresses and a port", local, remote)
	}
	conn, err := d.dialRetry(ctx, netip.AddrPortFrom(local, d.Port), remote)
	if errno := sourcePortError(err); errno != 0 && d.Port != 0 {
		if _, logged := d.warned.LoadOrStore(errno, true); !logged {
			cmp.Or(d.Log, slog.Default()).Warn("active source port unavailable, using an ephemeral port",
				"port", d.Port, "err", err)
		}
		conn, err = d.dialRetry(ctx, netip.AddrPortFrom(local, 0), remote)
	}
	if err != nil {
		return nil, fmt.Errorf("opening a data connection to %v: %w", remote, err)
	}
	return conn, nil
}

// dialRetry dials, and retries until ctx ends while the host is out of file descriptors or socket memory.
func (d *Dialer) dialRetry(ctx context.Context, local, remote netip.AddrPort) (net.Conn, error) {
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
		dialer.Control = reuseAddr // other connections may use the port, or may have used it recently
	}
	return dialer.DialTCP(ctx, "tcp", local, remote)
}

// sourcePortError returns the element of sourcePortErrors that err wraps, or 0.
func sourcePortError(err error) syscall.Errno {
	for _, errno := range sourcePortErrors {
		if errors.Is(err, errno) {
			return errno
		}
	}
	return 0
}
