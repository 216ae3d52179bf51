package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
)

// reachTimeout limits the connect to a passive port, and then the read. All ports are tried in parallel.
const reachTimeout = 2 * time.Second

// A dialFunc has the signature of net.Dialer.DialContext.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// checkReach listens on some passive ports and connects to them at an address from a reply to PASV. Behind NAT a failure proves
// nothing: many routers lack hairpin NAT, so their public address is unreachable from their own network.
func checkReach(ctx context.Context, r *report, c *config.Config, told netip.Addr, dial dialFunc) {
	ports, listeners := listenSome(ctx, c)
	defer closeAll(listeners)
	if len(ports) == 0 {
		return // no port is free: checkPorts has reported that
	}
	const check = "passive-reach"
	errs := make([]error, len(ports))
	var all sync.WaitGroup
	for i, l := range listeners {
		all.Go(func() { errs[i] = reach(ctx, l, netip.AddrPortFrom(told, ports[i]), dial) })
	}
	all.Wait()
	at := fmt.Sprintf("%s, port %s", told, numbers(ports))
	failed := slices.IndexFunc(errs, func(err error) bool { return err != nil })
	switch own := isOwn(told); {
	case failed < 0 && own:
		r.ok(check, "passive ports answer at %s; from this machine, so a firewall before it is not tested", at)
	case failed < 0:
		r.ok(check, "passive ports answer at %s, from this machine by way of its router", at)
	case errors.Is(errs[failed], errAnotherHost):
		r.fail(check, fmt.Sprintf("forward ports %d-%d of %s to the same ports of this machine, or correct --passive-address", c.PassivePorts.First, c.PassivePorts.Last, told),
			"at %s port %d another program or machine answers", told, ports[failed])
	case own:
		r.fail(check, fmt.Sprintf("allow TCP ports %d-%d in the firewall of this machine", c.PassivePorts.First, c.PassivePorts.Last),
			"passive port %d does not answer at %s, an address of this machine: %s", ports[failed], told, errorText(errs[failed]))
	default:
		r.warn(check, fmt.Sprintf("while s3ftpd serves, try from outside: curl -v --disable-epsv --no-ftp-skip-pasv-ip ftp://...; ports %d-%d of %s must be forwarded to this machine",
			c.PassivePorts.First, c.PassivePorts.Last, told),
			"inconclusive: passive port %d does not answer at %s from this machine (%s); its router may lack hairpin NAT, and clients outside may reach it",
			ports[failed], told, errorText(errs[failed]))
	}
}

// listenSome listens on the first, the middle and the last passive port. It skips ports in use.
func listenSome(ctx context.Context, c *config.Config) (ports []uint16, listeners []net.Listener) {
	first, last := int(c.PassivePorts.First), int(c.PassivePorts.Last)
	host := ""
	if local, err := netip.ParseAddrPort(cmp.Or(c.FTP, c.FTPS)); err == nil && !local.Addr().IsUnspecified() {
		host = local.Addr().String()
	}
	for _, port := range slices.Compact([]int{first, first + (last-first)/2, last}) {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			ports, listeners = append(ports, uint16(port)), append(listeners, l)
		}
	}
	return ports, listeners
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

// Errors of connections that were accepted, but not by the listener of the check. A transparent proxy may cause errSilent.
var (
	errAnotherHost = errors.New("another program or machine answers")
	errSilent      = errors.New("something on the way accepts the connection")
)

// reach connects to an address, and checks that it reads the token that l sends on every connection.
func reach(ctx context.Context, l net.Listener, to netip.AddrPort, dial dialFunc) error {
	token := rand.Text()
	go greet(l, token)
	conn, err := dial(ctx, "tcp", to.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(reachTimeout))
	got := make([]byte, len(token))
	switch n, err := io.ReadFull(conn, got); {
	case n == 0:
		return errSilent
	case err != nil || string(got) != token:
		return errAnotherHost
	}
	return nil
}

// greet sends the token on every connection until l is closed.
func greet(l net.Listener, token string) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		io.WriteString(conn, token)
		conn.Close()
	}
}

// isOwn reports whether an address belongs to this machine.
func isOwn(a netip.Addr) bool {
	return a.IsLoopback() || slices.ContainsFunc(ownAddresses(), func(ip net.IP) bool { return ip.Equal(a.AsSlice()) })
}

// numbers returns a comma-separated list of ports.
func numbers(ports []uint16) string {
	var list []string
	for _, port := range ports {
		list = append(list, strconv.Itoa(int(port)))
	}
	return strings.Join(list, ", ")
}
