package storetest

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// specialNames are names that a store must accept and keep unchanged.
var specialNames = []string{
	"with space", " leading", "trailing ", "a+b", "a%41b", "%", "%zz", "a#b", "a?b=c", "a&b", "a;b", "a=b", "a:b", "a,b", "a@b", "a$b",
	"a'b", `a"b`, "a`b", "a|b", "a*b", "a<b>", "a[b]", "a{b}", "a!b", "a^b", "a~b", "-dash", "--", "~", "back\\slash", "dot.", "..dots", "...", ".hidden",
	"caf\u00e9", "cafe\u0301", "\u65e5\u672c\u8a9e", "\U0001f600", "\u0440\u0443\u0441", "\u200b", strings.Repeat("n", 255), strings.Repeat("\u00fc", 127),
}

// specialNames returns specialNames, or every fourth of them if the tests are brief.
func (s *store) specialNames() []string {
	if !s.limits.Brief {
		return specialNames
	}
	var some []string
	for i := 0; i < len(specialNames); i += 4 {
		some = append(some, specialNames[i])
	}
	return some
}

var names = map[string]func(*store){
	"special names of files are kept unchanged": func(s *store) {
		special := s.specialNames()
		for _, name := range special {
			s.putText("/d/"+name, name)
		}
		for _, name := range special {
			s.checkText("/d/"+name, name)
			i, err := s.Stat(s.ctx, "/d/"+name)
			s.must(err)
			if i.Name != name {
				s.Errorf("Stat of %q returns the name %q", name, i.Name)
			}
		}
		got, want := s.list("/d", ""), slices.Clone(special)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			s.Errorf("listed as %q, want %q", got, want)
		}
	},
	"special names of directories": func(s *store) {
		for _, name := range s.specialNames() {
			if len(name) > 200 {
				continue // some stores append something to it
			}
			s.must(s.Mkdir(s.ctx, "/"+name))
			s.putText("/"+name+"/f", name)
			s.checkText("/"+name+"/f", name)
			s.checkList("/"+name, "f")
			s.must(s.Remove(s.ctx, "/"+name+"/f"))
			s.must(s.Rmdir(s.ctx, "/"+name))
		}
		s.checkList("/")
	},
	"special names are renamed and removed": func(s *store) {
		special := s.specialNames()
		for i, name := range special {
			next := special[(i+1)%len(special)]
			s.putText("/"+name, name)
			s.must(s.Rename(s.ctx, "/"+name, "/to/"+next, true))
			s.checkMissing("/" + name)
			s.checkText("/to/"+next, name)
			s.must(s.Remove(s.ctx, "/to/"+next))
		}
	},
	"invalid names are refused": func(s *store) {
		for _, name := range []string{"/a\x00b", "/a\nb", "/a\rb", "/\x7f", "/\u0080", "/a\u009b", "/\xff", "/" + strings.Repeat("12345678/", 120)} {
			name = strings.TrimSuffix(name, "/")
			s.checkError(s.Put(s.ctx, name, Source(strings.NewReader("x")), proxy.Write{}), fs.ErrInvalid)
			s.checkError(s.Mkdir(s.ctx, name), fs.ErrInvalid)
			for _, err := range []error{s.Remove(s.ctx, name), s.Rmdir(s.ctx, name)} {
				if !errors.Is(err, fs.ErrInvalid) && !errors.Is(err, fs.ErrNotExist) {
					s.Errorf("%q: %v", name, err)
				}
			}
		}
		s.checkList("/")
	},
}
