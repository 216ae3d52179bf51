package main

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/passive"
)

// checkPorts binds the ports that serve would use, and releases them again.
func checkPorts(ctx context.Context, r *report, c *config.Config) {
	checkListener(ctx, r, c, "--ftp", c.FTP)
	checkListener(ctx, r, c, "--ftps", c.FTPS)
	checkListener(ctx, r, c, "--sftp", c.SFTP)
	if c.FTP == "" && c.FTPS == "" {
		return // no passive ports
	}
	ports := passive.Ports{First: c.PassivePorts.First, Last: c.PassivePorts.Last, Wait: time.Second, Log: slog.New(slog.DiscardHandler)}
	if l, err := ports.Listen(ctx, passive.Claim{Local: loopback, Peer: loopback, Timeout: time.Second}); err != nil {
		r.fail("passive-ports", "choose another range with --passive-ports, or stop the program that uses its ports",
			"cannot listen on any port of --passive-ports %d-%d: %v", ports.First, ports.Last, err)
	} else {
		l.Close()
		r.ok("passive-ports", "a port of --passive-ports %d-%d can be listened on", ports.First, ports.Last)
	}
	if c.Active && c.FTP != "" && c.ActivePort != 0 {
		checkActivePort(ctx, r, c.ActivePort)
	}
	if c.Active && c.FTPS != "" && c.ActivePortTLS != 0 && (c.FTP == "" || c.ActivePortTLS != c.ActivePort) {
		checkActivePort(ctx, r, c.ActivePortTLS)
	}
}

// checkListener binds the address of a listener of serve. An empty address means that the listener is off.
func checkListener(ctx context.Context, r *report, c *config.Config, option, address string) {
	if address == "" {
		return
	}
	check := "listen-" + option[len("--"):]
	l, err := listen(ctx, option, address)
	if err != nil {
		r.fail(check, explain(c, err).advice, "%v", err)
		return
	}
	l.Close()
	r.ok(check, "%s %s can be listened on", option, address)
}

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// checkActivePort opens an active data connection to a listener of this process, to see whether it gets the configured source port.
func checkActivePort(ctx context.Context, r *report, port uint16) {
	const check = "active-port"
	peer, err := (&net.ListenConfig{}).Listen(ctx, "tcp", netip.AddrPortFrom(loopback, 0).String())
	if err != nil {
		r.fail(check, "", "active data connections cannot be tried: %v", err)
		return
	}
	defer peer.Close()
	dialer := passive.Dialer{Port: port, Log: slog.New(slog.DiscardHandler)}
	conn, err := dialer.Dial(ctx, loopback, netip.MustParseAddrPort(peer.Addr().String()))
	if err != nil {
		r.fail(check, "use --active=false", "active data connections cannot be opened: %v", err)
		return
	}
	defer conn.Close()
	switch from := netip.MustParseAddrPort(conn.LocalAddr().String()).Port(); {
	case from == port:
		r.ok(check, "active data connections leave from port %d", port)
	case port < 1024:
		r.warn(check, "grant CAP_NET_BIND_SERVICE, or set --active-port 0",
			"active data connections leave from any port, not from %d, which needs a privilege or is in use; some clients' firewalls may refuse them", port)
	default:
		r.warn(check, "stop the program that uses the port, or set --active-port 0", "active data connections leave from any port, not from %d, which is in use", port)
	}
}
