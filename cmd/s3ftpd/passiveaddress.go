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

// How long a host name's address is taken as it is, how soon after a failure it is asked for again, and how
// long one answer may take.
const (
	freshFor   = 60 * time.Second
	retryAfter = 5 * time.Second
	answerIn   = 5 * time.Second
)

// lookup resolves a host name, as net.Resolver.LookupNetIP does.
type lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

// passiveAddress returns what names the address in the reply to PASV, by the first rule for the client's network;
// where there is none, it is the local address.
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
		says, err := choose(ctx, local, peer)
		if err == nil && isInner(says) && !isInner(peer) {
			once.Do(func() {
				log.Warn("the reply to PASV names an address that its client cannot reach", "address", says.String(), "peer", peer.String(),
					"advice", "set --passive-address to the address that clients know, by network if they know several: 10.0.0.0/8=auto,203.0.113.10")
			})
		}
		return says, err
	}
}

// warnUnresolved logs the host names of rules that have no IPv4 address now: PASV fails until they have one.
func warnUnresolved(ctx context.Context, rules []config.Rule, resolve lookup, log *slog.Logger) {
	for _, r := range rules {
		if _, err := netip.ParseAddr(r.Address); err == nil || r.Address == "auto" {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, answerIn)
		_, err := (&host{name: r.Address, resolve: resolve}).ask(limited)
		cancel()
		if err != nil && ctx.Err() == nil {
			log.Error("passive address unresolved, PASV will fail", "name", r.Address, "err", err,
				"advice", "check the host name in --passive-address, and the DNS server of this host")
		}
	}
}

// isInner tells whether an address means something within a network only: RFC 1918, 4193, 3927, 6598, and loopback.
func isInner(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || shared.Contains(a)
}

// shared is the address space between providers and their customers.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// A host is a host name with the last good answer to what its address is.
type host struct {
	name    string
	resolve lookup
	log     *slog.Logger

	mu   sync.Mutex
	addr netip.Addr // zero before the first good answer
	due  time.Time  // when to ask again
}

// address returns the host's IPv4 address. While one session asks anew, others go on with the last good answer.
func (h *host) address(ctx context.Context) (netip.Addr, error) {
	h.mu.Lock()
	last, fresh := h.addr, time.Now().Before(h.due)
	if last.IsValid() && !fresh {
		h.due = time.Now().Add(answerIn + retryAfter)
	}
	h.mu.Unlock()
	if last.IsValid() && fresh {
		return last, nil
	}
	asking, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	addr, err := h.ask(asking)
	switch {
	case err == nil:
		h.keep(addr, freshFor)
		return addr, nil
	case last.IsValid():
		h.log.Warn("a passive address cannot be resolved; the last one is used on", "name", h.name, "address", last.String(), "err", err)
		h.keep(last, retryAfter)
		return last, nil
	}
	return netip.Addr{}, fmt.Errorf("resolving the passive address: %w", err)
}

// keep makes addr the answer for a while.
func (h *host) keep(addr netip.Addr, while time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.addr, h.due = addr, time.Now().Add(while)
}

// ask resolves the name. Of many addresses it takes the lowest, so that the answer stays the same.
func (h *host) ask(ctx context.Context) (netip.Addr, error) {
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
