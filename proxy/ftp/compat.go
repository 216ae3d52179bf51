package ftp

import (
	"context"
	"iter"
	"net/netip"
	"strings"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/ftp/names"
)

func (srv *Server) compat(peer netip.Addr) proxy.Compat {
	if srv.Compat == nil {
		return proxy.Compat{}
	}
	return srv.Compat(peer)
}

// codec returns how names go over the session's connections: in UTF-8 once the client has asked for it.
func (s *session) codec() names.Codec {
	c := names.Codec{Charset: s.compat.Names, Backslash: s.compat.Backslash}
	if s.utf8 {
		c.Charset = proxy.UTF8
	}
	return c
}

// decodeArg returns the argument of a command as text; every name that a client sends passes through here. Names of users and
// passwords stay the bytes they are.
func (s *session) decodeArg(verb, arg string) string {
	if commands[verb].arg == secretArg {
		return arg
	}
	return s.codec().DecodePath(arg)
}

// encodeReply returns replies as they go over the control connection: in the client's charset, and with a byte 255 doubled, which
// Telnet takes for a command otherwise (RFC 854).
func encodeReply(c names.Codec, replies string) string {
	return strings.ReplaceAll(c.EncodeText(replies), "\xff", "\xff\xff")
}

// listEncodable is Store.List, which hides the entries whose names the client cannot be told.
func listEncodable(ctx context.Context, c names.Codec, store proxy.Store, dir, prefix string) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		for e, err := range store.List(ctx, dir, prefix) {
			if !yield(listed{Entry: e, hidden: err == nil && !c.CanEncode(e.Name)}, err) {
				return
			}
		}
	}
}

// optsUTF8 lets a client whose names are taken to be in another charset have them in UTF-8, and go back. No RFC has it, but
// clients send it and servers know it.
func (s *session) optsUTF8(options string) error {
	switch strings.ToUpper(options) {
	case "", "ON":
		s.utf8 = true
		return s.ok(200, "File names are UTF-8.")
	case "OFF":
		if s.utf8 = false; s.compat.Names != proxy.UTF8 {
			return s.ok(200, "File names are "+s.compat.Names.String()+".")
		}
	}
	return reply{504, "File names are always UTF-8."}
}
