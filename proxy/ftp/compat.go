package ftp

import (
	"context"
	"iter"
	"net/netip"
	"strings"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/names"
)

func (srv *Server) compat(peer netip.Addr) proxy.Compat {
	if srv.Compat == nil {
		return proxy.Compat{}
	}
	return srv.Compat(peer)
}

// codec returns the encoding of names on the session's connections: UTF-8 after OPTS UTF8 ON.
func (s *session) codec() names.Codec {
	c := names.Codec{Charset: s.compat.Names, Backslash: s.compat.Backslash}
	if s.utf8 {
		c.Charset = proxy.UTF8
	}
	return c
}

// decodeArg decodes the argument of a command. User names and passwords are not decoded.
func (s *session) decodeArg(verb, arg string) string {
	if commands[verb].arg == secretArg {
		return arg
	}
	return s.codec().DecodePath(arg)
}

// encodeReply encodes replies in the client's charset, and doubles the byte 255, which is IAC in Telnet (RFC 854).
func encodeReply(c names.Codec, replies string) string {
	return strings.ReplaceAll(c.EncodeText(replies), "\xff", "\xff\xff")
}

// listEncodable is Store.List that marks entries as hidden if the client's charset cannot encode their names.
func listEncodable(ctx context.Context, c names.Codec, store proxy.Store, dir, prefix string) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		for e, err := range store.List(ctx, dir, prefix) {
			if !yield(listed{Entry: e, hidden: err == nil && !c.CanEncode(e.Name)}, err) {
				return
			}
		}
	}
}

// optsUTF8 switches names to UTF-8 and back. No RFC defines it, but clients send it and other servers know it.
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
