package main

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"

	"github.com/s3ftpd/s3ftpd/config"
)

// publicClient is an example of a client on the internet. The address is reserved for documentation (RFC 5737).
var publicClient = netip.AddrFrom4([4]byte{198, 51, 100, 1})

// checkPassiveAddress reports the address in the reply to PASV for three kinds of clients: local ones, public ones, and those of each
// network in --passive-address. It returns these addresses, each once.
func checkPassiveAddress(ctx context.Context, r *report, c *config.Config) (all []netip.Addr) {
	const check = "passive-address"
	r.ok("epsv", "EPSV (229) names no address: clients connect to the address of their control connection")
	local, ok := localAddress(cmp.Or(c.FTP, c.FTPS))
	if !ok {
		r.warn(check, "", "PASV (227) is refused, since --ftp and --ftps listen on IPv6 only; clients use EPSV")
		return nil
	}
	resolve := passiveAddress(c.PassiveAddress, net.DefaultResolver.LookupNetIP, slog.New(slog.DiscardHandler))
	for _, client := range passiveClients(local, c.PassiveAddress) {
		told, err := resolve(ctx, local, client.from)
		if err == nil && !slices.Contains(all, told) {
			all = append(all, told)
		}
		switch {
		case err != nil:
			r.fail(check, "check the host name in --passive-address", "PASV (227) has no address for %s: %v", client.name, err)
		case client.from == publicClient && !local.IsLoopback() && isPrivate(told):
			r.warn(check, "set --passive-address to the public address if there are public clients; for local clients beside them: 10.0.0.0/8=auto,PUBLIC",
				"PASV (227) tells %s %s, a private address that they cannot reach", client.name, told)
		default:
			r.ok(check, "PASV (227) tells %s %s", client.name, told)
		}
	}
	return all
}

// A passiveClient is an example of a client.
type passiveClient struct {
	name string
	from netip.Addr
}

// passiveClients returns a local client, a public one, and one from each network in the rules.
func passiveClients(local netip.Addr, rules []config.Rule) []passiveClient {
	list := []passiveClient{{"local clients", local}, {"public clients", publicClient}}
	for _, rule := range rules {
		if rule.Client.IsValid() && rule.Client.Bits() > 0 && !rule.Client.Contains(local) && rule.Client.Addr().Is4() {
			list = append(list, passiveClient{"clients of " + rule.Client.String(), rule.Client.Addr()})
		}
	}
	return list
}

// localAddress returns the IPv4 address that local clients connect to: the host of the listener or, if it listens on all addresses,
// the machine's first address that is not loopback. It returns false if the host is an IPv6 address.
func localAddress(listen string) (netip.Addr, bool) {
	if at, err := netip.ParseAddrPort(listen); err == nil && !at.Addr().Unmap().IsUnspecified() {
		return at.Addr().Unmap(), at.Addr().Unmap().Is4()
	}
	addrs, _ := net.InterfaceAddrs() // on error the result is loopback
	for _, a := range addrs {
		if network, err := netip.ParsePrefix(a.String()); err == nil && network.Addr().Is4() && !network.Addr().IsLoopback() {
			return network.Addr(), true
		}
	}
	return loopback, true
}
