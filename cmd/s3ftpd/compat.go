package main

import (
	"net/netip"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
)

// compat returns the compatibility settings for a user and a client's address. Before the login, user is "".
func compat(c *config.Config, user string, peer netip.Addr) proxy.Compat {
	return proxy.Compat{Names: charsets[c.Names.For(user, peer)], Backslash: c.Backslash.For(user, peer),
		LenientDirs: c.LenientDirs.For(user, peer), Allo: allos[c.Allo.For(user, peer)]}
}

// allos are the values of the option --allo.
var allos = map[string]proxy.Allo{"auto": proxy.AlloAuto, "binding": proxy.AlloBinding, "hint": proxy.AlloHint}

// charsets are the values of the option --names.
var charsets = map[string]proxy.Charset{"utf-8": proxy.UTF8, "latin1": proxy.Latin1, "shift-jis": proxy.ShiftJIS, "gbk": proxy.GBK}
