package main

import (
	"net/netip"
	"testing"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
)

func TestHabits(t *testing.T) {
	c, err := config.Load(config.Serve, []string{"--bucket=invoices", "--user=alice", "--names=10.0.0.0/8=latin1,10.1.0.0/16=gbk,alice=shift-jis,utf-8",
		"--backslash=10.1.0.0/16", "--lenient-dirs=alice"}, []string{"S3FTPD_PASSWORD=x"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		user, peer string
		want       proxy.Habits
	}{
		{"", "192.0.2.7", proxy.Habits{}},
		{"", "10.0.0.1", proxy.Habits{Names: proxy.Latin1}},
		{"", "10.1.0.1", proxy.Habits{Names: proxy.GBK, Backslash: true}},
		{"alice", "10.1.0.1", proxy.Habits{Names: proxy.ShiftJIS, Backslash: true, LenientDirs: true}},
		{"alice", "2001:db8::1", proxy.Habits{Names: proxy.ShiftJIS, LenientDirs: true}},
	} {
		if got := habits(c)(test.user, netip.MustParseAddr(test.peer)); got != test.want {
			t.Errorf("%q at %s: %+v, want %+v", test.user, test.peer, got, test.want)
		}
	}
	for _, word := range []string{"utf-8", "latin1", "shift-jis", "gbk"} {
		if _, ok := charsets[word]; !ok {
			t.Errorf("there is no %s", word)
		}
	}
}
