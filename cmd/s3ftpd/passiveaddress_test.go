package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
)

var (
	quiet = slog.New(slog.NewTextHandler(io.Discard, nil))
	local = netip.MustParseAddr("10.0.0.5")
	near  = netip.MustParseAddr("10.1.2.3")
	far   = netip.MustParseAddr("198.51.100.7")
)

// names answers lookups. Tests change its fields between lookups.
type names struct {
	mu    sync.Mutex
	addrs []string
	err   error
	asked int
	slow  time.Duration
}

func (n *names) lookup(ctx context.Context, network, host string) (addrs []netip.Addr, err error) {
	n.mu.Lock()
	n.asked++
	good, bad, slow := n.addrs, n.err, n.slow
	n.mu.Unlock()
	if network != "ip4" || host != "ftp.example.com" {
		return nil, errors.New("asked for " + network + " of " + host)
	}
	select {
	case <-time.After(slow):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for _, a := range good {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	return addrs, bad
}

func TestPassiveAddress(t *testing.T) {
	rule := func(network, address string) config.Rule {
		if network == "" {
			return config.Rule{Address: address}
		}
		return config.Rule{Client: netip.MustParsePrefix(network), Address: address}
	}
	n := &names{addrs: []string{"203.0.113.9", "::ffff:203.0.113.8", "2001:db8::1"}}
	for name, c := range map[string]struct {
		rules []config.Rule
		peer  netip.Addr
		want  string
	}{
		"no rule":               {nil, far, "10.0.0.5"},
		"auto":                  {[]config.Rule{rule("", "auto")}, far, "10.0.0.5"},
		"address":               {[]config.Rule{rule("", "203.0.113.10")}, far, "203.0.113.10"},
		"host name":             {[]config.Rule{rule("", "ftp.example.com")}, far, "203.0.113.8"},
		"by network, near":      {[]config.Rule{rule("10.0.0.0/8", "auto"), rule("", "203.0.113.10")}, near, "10.0.0.5"},
		"by network, far":       {[]config.Rule{rule("10.0.0.0/8", "auto"), rule("", "203.0.113.10")}, far, "203.0.113.10"},
		"by network, no other":  {[]config.Rule{rule("10.0.0.0/8", "203.0.113.10")}, far, "10.0.0.5"},
		"the first rule counts": {[]config.Rule{rule("10.1.0.0/16", "192.0.2.1"), rule("10.0.0.0/8", "192.0.2.2")}, near, "192.0.2.1"},
		"mapped peer":           {[]config.Rule{rule("10.0.0.0/8", "192.0.2.1")}, netip.MustParseAddr("::ffff:10.1.2.3"), "192.0.2.1"},
	} {
		got, err := passiveAddress(c.rules, n.lookup, quiet)(t.Context(), local, c.peer)
		if err != nil || got.String() != c.want {
			t.Errorf("%s: got %v, %v, want %s", name, got, err, c.want)
		}
	}
}

// A private address for a public client is logged once, as a warning.
func TestUnreachableAddressIsWarnedOf(t *testing.T) {
	for _, c := range []struct {
		local, peer, rule string
		warns             bool
	}{
		{"10.0.0.5", "198.51.100.7", "auto", true},
		{"172.17.0.2", "198.51.100.7", "auto", true},
		{"127.0.0.1", "198.51.100.7", "auto", true},
		{"169.254.1.1", "198.51.100.7", "auto", true},
		{"100.64.0.1", "198.51.100.7", "auto", true},
		{"10.0.0.5", "::ffff:198.51.100.7", "auto", true},
		{"192.0.2.1", "198.51.100.7", "192.168.0.1", true},
		{"10.0.0.5", "198.51.100.7", "203.0.113.10", false},
		{"203.0.113.10", "198.51.100.7", "auto", false},
		{"203.0.113.10", "10.1.2.3", "10.0.0.5", false},
		{"10.0.0.5", "10.1.2.3", "auto", false},
		{"10.0.0.5", "192.168.1.2", "auto", false}, // both addresses may belong to the same network
		{"10.0.0.5", "100.64.0.1", "auto", false},
		{"10.0.0.5", "::ffff:100.64.0.1", "auto", false},
		{"127.0.0.1", "127.0.0.1", "auto", false},
	} {
		log := newConsole()
		address := passiveAddress([]config.Rule{{Address: c.rule}}, new(names).lookup, newLog(&config.Config{LogFormat: "json"}, log))
		for range 3 {
			if _, err := address(t.Context(), netip.MustParseAddr(c.local), netip.MustParseAddr(c.peer)); err != nil {
				t.Fatal(err)
			}
		}
		text := log.String()
		if warned := strings.Count(text, `"WARN"`); warned > 1 || (warned == 1) != c.warns || c.warns && !strings.Contains(text, "--passive-address") {
			t.Errorf("%v: the log says %q", c, text)
		}
	}
}

// Host names that do not resolve are logged at the start, not only at the first PASV.
func TestWarnUnresolved(t *testing.T) {
	rules := []config.Rule{{Client: netip.MustParsePrefix("10.0.0.0/8"), Address: "auto"},
		{Client: netip.MustParsePrefix("192.0.2.0/24"), Address: "203.0.113.10"}, {Address: "ftp.example.com"}}
	for name, c := range map[string]struct {
		answers *names
		warns   bool
	}{
		"address":         {&names{addrs: []string{"192.0.2.1"}}, false},
		"no such host":    {&names{err: errors.New("no such host")}, true},
		"no IPv4 address": {&names{addrs: []string{"2001:db8::1"}}, true},
		"no answer":       {&names{slow: time.Hour}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := newConsole()
				warnUnresolved(t.Context(), rules, c.answers.lookup, newLog(&config.Config{LogFormat: "json"}, log))
				if text := log.String(); strings.Contains(text, `"name":"ftp.example.com"`) != c.warns || strings.Count(text, "\n") > 1 {
					t.Errorf("the log says %q", text)
				}
			})
		})
	}
	awsEnvironment(t)
	r := start(t, []string{"S3FTPD_PASSWORD=x"}, "--user=alice", "--bucket=invoices", "--ftp=127.0.0.1:0",
		"--endpoint=http://127.0.0.1:1", "--passive-address=ftp.invalid")
	r.stderr.await(t, `"name":"ftp.invalid"`)
}

// A step is one lookup, with the time since the previous step.
type step struct {
	after time.Duration
	addrs []string
	err   error
	want  string // empty: an error
	asked int    // total number of lookups
}

func TestHostNameIsCached(t *testing.T) {
	down := errors.New("no answer")
	for name, steps := range map[string][]step{
		"kept for a minute": {
			{0, []string{"192.0.2.1"}, nil, "192.0.2.1", 1},
			{59 * time.Second, []string{"192.0.2.2"}, nil, "192.0.2.1", 1},
			{time.Second, []string{"192.0.2.2"}, nil, "192.0.2.2", 2},
			{59 * time.Second, nil, down, "192.0.2.2", 2},
		},
		"the last good one is kept": {
			{0, []string{"192.0.2.1"}, nil, "192.0.2.1", 1},
			{time.Minute, nil, down, "192.0.2.1", 2},
			{4 * time.Second, nil, down, "192.0.2.1", 2},
			{time.Second, nil, nil, "192.0.2.1", 3},
			{24 * time.Hour, []string{"2001:db8::1"}, nil, "192.0.2.1", 4},
			{5 * time.Second, []string{"192.0.2.2"}, nil, "192.0.2.2", 5},
		},
		"never a good one": {
			{0, nil, down, "", 1},
			{0, nil, nil, "", 2},
			{0, []string{"192.0.2.1"}, nil, "192.0.2.1", 3},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := new(names)
				address := passiveAddress([]config.Rule{{Address: "ftp.example.com"}}, n.lookup, quiet)
				for i, s := range steps {
					<-time.After(s.after)
					n.addrs, n.err = s.addrs, s.err
					got, err := address(t.Context(), local, far)
					if (err != nil) != (s.want == "") || err == nil && got.String() != s.want || n.asked != s.asked {
						t.Errorf("step %d: got %v, %v after %d lookups, want %q after %d", i, got, err, n.asked, s.want, s.asked)
					}
				}
			})
		})
	}
}

// A resolver that does not answer delays only one session, for a few seconds.
func TestSlowResolver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &names{addrs: []string{"192.0.2.1"}}
		var log strings.Builder
		address := passiveAddress([]config.Rule{{Address: "ftp.example.com"}}, n.lookup, slog.New(slog.NewTextHandler(&log, nil)))
		if _, err := address(t.Context(), local, far); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Hour)
		n.slow = time.Hour
		begin := time.Now()
		var first sync.WaitGroup
		first.Go(func() {
			if got, err := address(t.Context(), local, far); err != nil || time.Since(begin) != lookupTimeout {
				t.Errorf("the one who asks: %v, %v after %v", got, err, time.Since(begin))
			}
		})
		synctest.Wait()
		for range 10 {
			if got, err := address(t.Context(), local, far); err != nil || got.String() != "192.0.2.1" || time.Since(begin) != 0 {
				t.Errorf("the others: %v, %v after %v", got, err, time.Since(begin))
			}
		}
		first.Wait()
		if n.asked != 2 || !strings.Contains(log.String(), "ftp.example.com") {
			t.Errorf("%d lookups, log: %s", n.asked, log.String())
		}
	})
}
