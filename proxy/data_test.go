package proxy

import (
	"net/netip"
	"testing"
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
