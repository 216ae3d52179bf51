package proxy

import (
	"context"
	"io/fs"
	"iter"
	"net/netip"
	"slices"
	"strings"
)

// Habits are what some devices do otherwise than RFC 959 and 2640 have it. The zero value is to do nothing otherwise.
type Habits struct {
	Names       Charset // of names in commands, replies and listings
	Backslash   bool    // a backslash in a path stands for a slash
	LenientDirs bool    // MKD of a directory that is there succeeds, and so does CWD into one that is not
}

func (srv *Server) habits(user string, peer netip.Addr) Habits {
	if srv.Habits == nil {
		return Habits{}
	}
	return srv.Habits(user, peer)
}

// names are the habits of the session as to names, which are UTF-8 once the client has said so.
func (s *session) names() Habits {
	h := s.habits
	if s.utf8 {
		h.Names = UTF8
	}
	return h
}

// heard returns the argument of a command as text, with slashes between the elements of a path: every name that a client says
// comes through here, before anything is looked for in it. In Shift-JIS and GBK a backslash, or a bracket, may be half of a
// character. Names of users and passwords stay the bytes they are.
func (s *session) heard(verb, arg string) string {
	if slices.Contains([]string{"USER", "PASS", "ACCT"}, verb) {
		return arg
	}
	return s.names().heard(arg)
}

func (h Habits) heard(arg string) string {
	text, ok := h.Names.decode(arg)
	if !ok {
		return arg + "\xff" // which is no UTF-8, so that resolve refuses it
	}
	if h.Backslash {
		text = strings.ReplaceAll(text, `\`, "/")
	}
	return text
}

// said returns replies as they go over the control connection: in the client's charset, and with a byte 255 that is not
// Telnet's doubled (RFC 854).
func (h Habits) said(replies string) string {
	return strings.ReplaceAll(h.Names.say(replies), "\xff", "\xff\xff")
}

// list is Store.List without what the client cannot be told of, or could not ask for by what it is told.
func (h Habits) list(ctx context.Context, store Store, dir, prefix string) iter.Seq2[fs.FileInfo, error] {
	return func(yield func(fs.FileInfo, error) bool) {
		for info, err := range store.List(ctx, dir, prefix) {
			if (err != nil || h.canSay(info.Name())) && !yield(info, err) {
				return
			}
		}
	}
}

func (h Habits) canSay(name string) bool {
	_, ok := h.Names.encode(name)
	return ok && isElement(name) && !(h.Backslash && strings.Contains(name, `\`))
}

// optsUTF8 lets a client whose names are taken to be in another charset have them in UTF-8, and go back (no RFC has it, but
// clients say it and servers know it).
func (s *session) optsUTF8(options string) (reply, error) {
	switch strings.ToUpper(options) {
	case "", "ON":
		s.utf8 = true
		return reply{200, "Names are UTF-8."}, nil
	case "OFF":
		if s.utf8 = false; s.names().Names != UTF8 {
			return reply{200, "Names are " + s.names().Names.String() + "."}, nil
		}
	}
	return reply{504, "Names are UTF-8, always."}, nil
}
