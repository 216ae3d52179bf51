package storetest

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// odd are names that a store has to take as they are.
var odd = []string{
	"with space", " leading", "trailing ", "a+b", "a%41b", "%", "%zz", "a#b", "a?b=c", "a&b", "a;b", "a=b", "a:b", "a,b", "a@b", "a$b",
	"a'b", `a"b`, "a`b", "a|b", "a*b", "a<b>", "a[b]", "a{b}", "a!b", "a^b", "a~b", "-dash", "--", "~", "back\\slash", "dot.", "..dots", "...", ".hidden",
	"caf\u00e9", "cafe\u0301", "\u65e5\u672c\u8a9e", "\U0001f600", "\u0440\u0443\u0441", "\u200b", strings.Repeat("n", 255), strings.Repeat("\u00fc", 127),
}

// odd returns odd names, every fourth where the tests are to be brief.
func (s *store) odd() []string {
	if !s.limits.Brief {
		return odd
	}
	var some []string
	for i := 0; i < len(odd); i += 4 {
		some = append(some, odd[i])
	}
	return some
}

var names = map[string]func(*store){
	"odd ones are kept to the byte": func(s *store) {
		odd := s.odd()
		for _, name := range odd {
			s.text("/d/"+name, name)
		}
		for _, name := range odd {
			s.says("/d/"+name, name)
			i, err := s.Stat(s.ctx, "/d/"+name)
			s.ok(err)
			if i.Name != name {
				s.Errorf("%q is called %q", name, i.Name)
			}
		}
		got, want := s.list("/d", ""), slices.Clone(odd)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			s.Errorf("listed as %q, want %q", got, want)
		}
	},
	"odd ones for directories": func(s *store) {
		for _, name := range s.odd() {
			if len(name) > 200 {
				continue // some stores put something of their own behind it
			}
			s.ok(s.Mkdir(s.ctx, "/"+name))
			s.text("/"+name+"/f", name)
			s.says("/"+name+"/f", name)
			s.shows("/"+name, "f")
			s.ok(s.Remove(s.ctx, "/"+name+"/f"))
			s.ok(s.Rmdir(s.ctx, "/"+name))
		}
		s.shows("/")
	},
	"odd ones renamed and removed": func(s *store) {
		odd := s.odd()
		for i, name := range odd {
			next := odd[(i+1)%len(odd)]
			s.text("/"+name, name)
			s.ok(s.Rename(s.ctx, "/"+name, "/to/"+next, true))
			s.gone("/" + name)
			s.says("/to/"+next, name)
			s.ok(s.Remove(s.ctx, "/to/"+next))
		}
	},
	"ones that cannot be are refused": func(s *store) {
		for _, name := range []string{"/a\x00b", "/a\nb", "/a\rb", "/\x7f", "/\u0080", "/a\u009b", "/\xff", "/" + strings.Repeat("12345678/", 120)} {
			name = strings.TrimSuffix(name, "/")
			s.fails(s.Put(s.ctx, name, Source(strings.NewReader("x")), proxy.Write{}), fs.ErrInvalid)
			s.fails(s.Mkdir(s.ctx, name), fs.ErrInvalid)
			for _, err := range []error{s.Remove(s.ctx, name), s.Rmdir(s.ctx, name)} {
				if !errors.Is(err, fs.ErrInvalid) && !errors.Is(err, fs.ErrNotExist) {
					s.Errorf("%q: %v", name, err)
				}
			}
		}
		s.shows("/")
	},
}
