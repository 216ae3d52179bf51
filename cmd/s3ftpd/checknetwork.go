package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/passive"
)

// checkPorts tries the ports that serve would use, and lets go of them.
func checkPorts(ctx context.Context, r *report, c *config.Config) {
	checkListener(ctx, r, "--ftp", c.FTP)
	checkListener(ctx, r, "--ftps", c.FTPS)
	ports := passive.Ports{First: c.PassivePorts.First, Last: c.PassivePorts.Last, Wait: time.Second, Log: slog.New(slog.DiscardHandler)}
	if l, err := ports.Listen(ctx, passive.Claim{Local: loopback, Peer: loopback, Timeout: time.Second}); err != nil {
		r.fail("no port of --passive-ports %d-%d can be listened on: %v", ports.First, ports.Last, err)
	} else {
		l.Close()
		r.ok("passive data connections can come to a port of %d-%d", ports.First, ports.Last)
	}
	if c.Active && c.FTP != "" && c.ActivePort != 0 {
		checkActivePort(ctx, r, c.ActivePort)
	}
	if c.Active && c.FTPS != "" && c.ActivePortTLS != 0 && (c.FTP == "" || c.ActivePortTLS != c.ActivePort) {
		checkActivePort(ctx, r, c.ActivePortTLS)
	}
}

// checkListener tries an address that serve would listen on, unless it is off.
func checkListener(ctx context.Context, r *report, option, address string) {
	if address == "" {
		return
	}
	switch l, err := listen(ctx, option, address); {
	case errors.Is(err, syscall.EADDRINUSE):
		r.fail("%v; another program has it, or this one is running already", err)
	case err != nil:
		r.fail("%v", err)
	default:
		l.Close()
		r.ok("%s %s can be listened on", option, address)
	}
}

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// checkActivePort opens a data connection to this very process.
func checkActivePort(ctx context.Context, r *report, port uint16) {
	peer, err := (&net.ListenConfig{}).Listen(ctx, "tcp", netip.AddrPortFrom(loopback, 0).String())
	if err != nil {
		r.fail("active data connections cannot be tried out: %v", err)
		return
	}
	defer peer.Close()
	dialer := passive.Dialer{Port: port, Log: slog.New(slog.DiscardHandler)}
	conn, err := dialer.Dial(ctx, loopback, netip.MustParseAddrPort(peer.Addr().String()))
	if err != nil {
		r.fail("active data connections cannot be opened: %v", err)
		return
	}
	defer conn.Close()
	switch from := netip.MustParseAddrPort(conn.LocalAddr().String()).Port(); {
	case from == port:
		r.ok("active data connections leave from port %d", port)
	case port < 1024:
		r.note("active data connections leave from any port, not from %d, which takes a privilege (CAP_NET_BIND_SERVICE) "+
			"or belongs to another program; some clients' firewalls may refuse them", port)
	default:
		r.note("active data connections leave from any port, not from %d, which belongs to another program", port)
	}
}

// checkPassiveAddress says what the reply to PASV names to a client of this network, and to one from elsewhere.
func checkPassiveAddress(ctx context.Context, r *report, c *config.Config) {
	local := localAddress(cmp.Or(c.FTP, c.FTPS))
	name := passiveAddress(c.PassiveAddress, net.DefaultResolver.LookupNetIP, slog.New(slog.DiscardHandler))
	for _, client := range []struct {
		kind string
		from netip.Addr
	}{{"local", local}, {"public", netip.AddrFrom4([4]byte{198, 51, 100, 1})}} { // of RFC 5737, which nobody has
		switch says, err := name(ctx, local, client.from); {
		case err != nil:
			r.fail("the reply to PASV has no address for a %s client: %v; check --passive-address", client.kind, err)
		case client.kind == "public" && !local.IsLoopback() && isInner(says):
			r.note("the reply to PASV names %s to a public client, which cannot reach it; where there are such clients, "+
				"--passive-address has to be the address they know", says)
		default:
			r.ok("the reply to PASV names %s to a %s client", says, client.kind)
		}
	}
}

// localAddress is the IPv4 address that clients of this network come to: the one that is listened on or, where that is
// all, the machine's first that is not for itself alone.
func localAddress(listen string) netip.Addr {
	if at, err := netip.ParseAddrPort(listen); err == nil && at.Addr().Unmap().Is4() && !at.Addr().Unmap().IsUnspecified() {
		return at.Addr().Unmap()
	}
	addrs, _ := net.InterfaceAddrs() // without any, loopback is left
	for _, a := range addrs {
		if network, err := netip.ParsePrefix(a.String()); err == nil && network.Addr().Is4() && !network.Addr().IsLoopback() {
			return network.Addr()
		}
	}
	return loopback
}
