package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
)

// The address of a host name is used for freshFor. After a failed lookup the next one follows after retryAfter. A lookup may take
// at most lookupTimeout.
const (
	freshFor      = 60 * time.Second
	retryAfter    = 5 * time.Second
	lookupTimeout = 5 * time.Second
)

// A lookup has the signature of net.Resolver.LookupNetIP.
type lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

// passiveAddress returns a function that chooses the address in the reply to PASV: by the first rule for the client's network or, if
// no rule matches, the local address of the control connection.
func passiveAddress(rules []config.Rule, resolve lookup, log *slog.Logger) func(context.Context, netip.Addr, netip.Addr) (netip.Addr, error) {
	hosts := map[string]*host{}
	for _, r := range rules {
		hosts[r.Address] = &host{name: r.Address, resolve: resolve, log: log}
	}
	choose := func(ctx context.Context, local, peer netip.Addr) (netip.Addr, error) {
		i := slices.IndexFunc(rules, func(r config.Rule) bool { return !r.Client.IsValid() || r.Client.Contains(peer.Unmap()) })
		if i < 0 || rules[i].Address == "auto" {
			return local, nil
		}
		if ip, err := netip.ParseAddr(rules[i].Address); err == nil {
			return ip, nil
		}
		return hosts[rules[i].Address].address(ctx)
	}
	var once sync.Once
	return func(ctx context.Context, local, peer netip.Addr) (netip.Addr, error) {
		address, err := choose(ctx, local, peer)
		if err == nil && isPrivate(address) && !isPrivate(peer) {
			once.Do(func() {
				log.Warn("the reply to PASV names an address that its client cannot reach", "address", address.String(), "peer", peer.String(),
					"advice", "set --passive-address to the address that clients know, by network if they know several: 10.0.0.0/8=auto,203.0.113.10")
			})
		}
		return address, err
	}
}

// warnUnresolved logs host names in the rules that do not resolve to an IPv4 address now: PASV fails until they do.
func warnUnresolved(ctx context.Context, rules []config.Rule, resolve lookup, log *slog.Logger) {
	for _, r := range rules {
		if _, err := netip.ParseAddr(r.Address); err == nil || r.Address == "auto" {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, lookupTimeout)
		_, err := (&host{name: r.Address, resolve: resolve}).lookUp(limited)
		cancel()
		if err != nil && ctx.Err() == nil {
			log.Error("passive address unresolved, PASV will fail", "name", r.Address, "err", err,
				"advice", "check the host name in --passive-address, and the DNS server of this host")
		}
	}
}

// isPrivate reports whether an address is not reachable from the internet: RFC 1918, 4193, 3927, 6598, and loopback.
func isPrivate(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || carrierGradeNAT.Contains(a)
}

// carrierGradeNAT is the address space of carrier-grade NAT (RFC 6598).
var carrierGradeNAT = netip.MustParsePrefix("100.64.0.0/10")

// A host is a host name with its last known address.
type host struct {
	name    string
	resolve lookup
	log     *slog.Logger

	mu   sync.Mutex
	addr netip.Addr // zero until a lookup succeeds
	due  time.Time  // time of the next lookup
}

// address returns the host's IPv4 address. While one session renews it, others use the last known one.
func (h *host) address(ctx context.Context) (netip.Addr, error) {
	h.mu.Lock()
	last, fresh := h.addr, time.Now().Before(h.due)
	if last.IsValid() && !fresh {
		h.due = time.Now().Add(lookupTimeout + retryAfter)
	}
	h.mu.Unlock()
	if last.IsValid() && fresh {
		return last, nil
	}
	asking, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	addr, err := h.lookUp(asking)
	switch {
	case err == nil:
		h.keep(addr, freshFor)
		return addr, nil
	case last.IsValid():
		h.log.Warn("passive address unresolved, using the last known one", "name", h.name, "address", last.String(), "err", err)
		h.keep(last, retryAfter)
		return last, nil
	}
	return netip.Addr{}, fmt.Errorf("resolving the passive address: %w", err)
}

// keep stores addr, and the time of the next lookup.
func (h *host) keep(addr netip.Addr, while time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.addr, h.due = addr, time.Now().Add(while)
}

// lookUp resolves the name. It returns the lowest of several addresses, so that repeated lookups agree.
func (h *host) lookUp(ctx context.Context) (netip.Addr, error) {
	addrs, err := h.resolve(ctx, "ip4", h.name)
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	addrs = slices.DeleteFunc(addrs, func(a netip.Addr) bool { return !a.Is4() })
	switch {
	case err != nil:
		return netip.Addr{}, err
	case len(addrs) == 0:
		return netip.Addr{}, fmt.Errorf("%s has no IPv4 address", h.name)
	}
	return slices.MinFunc(addrs, netip.Addr.Compare), nil
}
