package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// Passive ports are tried at the address that PASV names. Behind NAT a failure is inconclusive, and check only warns.
func TestCheckReach(t *testing.T) {
	elsewhere, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer elsewhere.Close()
	go greet(elsewhere, "220 another server ready, with a long line\r\n")
	public := netip.MustParseAddr("203.0.113.10")
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	go greet(silent, "")
	to := func(address func(string) string) dialFunc {
		return func(ctx context.Context, network, a string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address(a))
		}
	}
	forwarded := to(func(a string) string { return strings.Replace(a, public.String(), "127.0.0.1", 1) })
	refused := func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("connection timed out")
	}
	for name, test := range map[string]struct {
		told netip.Addr
		dial dialFunc
		says string
	}{
		"own address":      {loopback, (&net.Dialer{}).DialContext, "ok    passive ports answer at 127.0.0.1, port "},
		"forwarded":        {public, forwarded, "by way of its router\n"},
		"firewall":         {loopback, refused, "FAIL  passive port "},
		"no hairpin NAT":   {public, refused, "warn  inconclusive: passive port "},
		"proxy":            {public, to(func(string) string { return silent.Addr().String() }), "(something on the way accepts the connection)"},
		"another receiver": {public, to(func(string) string { return elsewhere.Addr().String() }), "FAIL  at 203.0.113.10 port "},
	} {
		t.Run(name, func(t *testing.T) {
			first := netip.MustParseAddrPort(real.FreeAddr(t)).Port()
			out := newConsole()
			r := &report{w: out}
			checkReach(t.Context(), r, &config.Config{FTP: "127.0.0.1:0", PassivePorts: config.Ports{First: first, Last: first}}, test.told, test.dial)
			if got := out.String(); !strings.Contains(got, test.says) || (r.failed > 0) != strings.HasPrefix(test.says, "FAIL") {
				t.Errorf("without %q:\n%s", test.says, got)
			}
		})
	}
}

// listenSome listens on the first, the middle and the last port of a range, and skips a port in use.
func TestListenSome(t *testing.T) {
	ports, listeners := listenSome(t.Context(), &config.Config{FTP: "127.0.0.1:0", PassivePorts: config.Ports{First: 40000, Last: 65535}})
	defer closeAll(listeners)
	if len(ports) < 2 || len(listeners) != len(ports) {
		t.Errorf("ports %d", ports)
	}
	used := netip.MustParseAddrPort(taken(t)).Port()
	if ports, _ := listenSome(t.Context(), &config.Config{FTP: "127.0.0.1:0", PassivePorts: config.Ports{First: used, Last: used}}); len(ports) > 0 {
		t.Errorf("ports %d, which are in use", ports)
	}
}
