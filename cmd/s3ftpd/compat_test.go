package main

import (
	"net/netip"
	"testing"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
)

// The options for devices apply by network before the login, and by user after it.
func TestCompat(t *testing.T) {
	c, err := config.Load(config.Serve, []string{"--bucket=invoices", "--user=alice", "--names=10.0.0.0/8=latin1,10.1.0.0/16=gbk,alice=shift-jis,utf-8",
		"--backslash=10.1.0.0/16", "--lenient-dirs=alice", "--allo=10.1.0.0/16=hint,alice=binding"}, []string{"S3FTPD_PASSWORD=x"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		user, peer string
		want       proxy.Compat
	}{
		{"", "192.0.2.7", proxy.Compat{}},
		{"", "10.0.0.1", proxy.Compat{Names: proxy.Latin1}},
		{"", "10.1.0.1", proxy.Compat{Names: proxy.GBK, Backslash: true, Allo: proxy.AlloHint}},
		{"alice", "10.1.0.1", proxy.Compat{Names: proxy.ShiftJIS, Backslash: true, LenientDirs: true, Allo: proxy.AlloBinding}},
		{"alice", "2001:db8::1", proxy.Compat{Names: proxy.ShiftJIS, LenientDirs: true, Allo: proxy.AlloBinding}},
	} {
		if got := compat(c, test.user, netip.MustParseAddr(test.peer)); got != test.want {
			t.Errorf("%q at %s: %+v, want %+v", test.user, test.peer, got, test.want)
		}
	}
	for _, word := range []string{"utf-8", "latin1", "shift-jis", "gbk"} {
		if _, ok := charsets[word]; !ok {
			t.Errorf("there is no %s", word)
		}
	}
	for word, want := range map[string]proxy.Allo{"auto": proxy.AlloAuto, "binding": proxy.AlloBinding, "hint": proxy.AlloHint} {
		if got, ok := allos[word]; !ok || got != want {
			t.Errorf("--allo %s is %v, %v", word, got, ok)
		}
	}
}
