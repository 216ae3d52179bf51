package proxy

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/s3ftpd/s3ftpd/passive"
)

func TestParsePort(t *testing.T) {
	for arg, want := range map[string]string{
		"192,0,2,7,200,1":         "192.0.2.7:51201",
		"0,0,0,0,0,0":             "0.0.0.0:0",
		"255,255,255,255,255,255": "255.255.255.255:65535",
		"192,0,2,7,04,000":        "192.0.2.7:1024",
		"":                        "",
		"192,0,2,7,200":           "",
		"192,0,2,7,200,1,":        "",
		"192,0,2,7,200,256":       "",
		"192,0,2,7,200,-1":        "",
		"192,0,2,7,200, 1":        "",
		"192,0,2,7,200,0x1":       "",
		"192,0,2,7,200,1_0":       "",
		"\u0661,0,2,7,200,1":      "",
		"(192,0,2,7,200,1)":       "",
	} {
		checkAddr(t, arg, want, parsePort)
	}
}

func TestParseEprt(t *testing.T) {
	for arg, want := range map[string]string{
		"|1|192.0.2.7|51201|":          "192.0.2.7:51201",
		"|2|2001:db8::7|51201|":        "[2001:db8::7]:51201",
		"!2!2001:DB8:0::7!1024!":       "[2001:db8::7]:1024",
		"|2|::ffff:192.0.2.7|51201|":   "192.0.2.7:51201",
		":1:192.0.2.7:51201:":          "192.0.2.7:51201",
		"|1|192.0.2.7|65535|":          "192.0.2.7:65535",
		"|1|192.0.2.7|65536|":          "",
		"|1|192.0.2.7|-1|":             "",
		"|1|192.0.2.7||":               "",
		"|1||51201|":                   "",
		"|2|fe80::1%eth0|51201|":       "",
		"|1|2001:db8::7|51201|":        "",
		"|2|192.0.2.7|51201|":          "",
		"||192.0.2.7|51201|":           "",
		" 1 192.0.2.7 51201 ":          "",
		"|1|192.0.2.7|51201":           "",
		"|1|192.0.2.7|51201||":         "",
		"":                             "",
		"|":                            "",
		"\u00e41\u00e4192.0.2.7\u00e4": "",
	} {
		checkAddr(t, arg, want, parseEprt)
	}
}

// checkAddr checks a parser; an empty want is a refusal.
func checkAddr(t *testing.T, arg, want string, parse func(string) (netip.AddrPort, error)) {
	t.Helper()
	got, err := parse(arg)
	if err == nil && got.String() != want || err != nil && want != "" {
		t.Errorf("%q: %v, %v; want %q", arg, got, err, want)
	}
	if r, ok := err.(reply); err != nil && (!ok || r.code != 501) {
		t.Errorf("%q: %v, want a 501", arg, err)
	}
}

// TestNothingDialledElsewhere: whatever PORT and EPRT say, only the client's own address is ever dialled.
func TestNothingDialledElsewhere(t *testing.T) {
	inBubble(t, func(s *script) {
		var dialled []netip.AddrPort
		s.srv.Active = &passive.Dialer{DialFunc: func(_ context.Context, _ string, _, to netip.AddrPort) (net.Conn, error) {
			dialled = append(dialled, to)
			return nil, errors.New("refused")
		}}
		for _, text := range []string{
			"PORT 192,0,2,8,200,1", "PORT 127,0,0,1,200,1", "PORT 0,0,0,0,200,1", "PORT 192,0,2,7,3,255", "PORT 192,0,2,7,0,0",
			"EPRT |1|192.0.2.8|51201|", "EPRT |1|192.0.2.7|22|", "EPRT |2|::1|51201|", "EPRT |2|2001:db8::7|51201|",
		} {
			s.play("C> " + text + "\nS> 500 *\nC> NLST\nS> 425 Say *")
		}
		if dialled != nil {
			t.Errorf("dialled %v", dialled)
		}
		s.deaf = true
		s.play("C> EPRT |2|::ffff:192.0.2.7|51201|\nS> 200 *\nC> NLST\nS> 150 *\nS> 425 *")
		if len(dialled) != 1 || dialled[0] != netip.MustParseAddrPort("192.0.2.7:51201") {
			t.Errorf("dialled %v, want the client alone", dialled)
		}
	})
}
