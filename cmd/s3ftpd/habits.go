package main

import (
	"net/netip"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
)

// habits returns what tells the habits of the devices of a user, or at an address.
func habits(c *config.Config) func(user string, peer netip.Addr) proxy.Habits {
	return func(user string, peer netip.Addr) proxy.Habits {
		return proxy.Habits{Names: charsets[c.Names.For(user, peer)], Backslash: c.Backslash.For(user, peer),
			LenientDirs: c.LenientDirs.For(user, peer)}
	}
}

// charsets are the words of the option.
var charsets = map[string]proxy.Charset{"utf-8": proxy.UTF8, "latin1": proxy.Latin1, "shift-jis": proxy.ShiftJIS, "gbk": proxy.GBK}
