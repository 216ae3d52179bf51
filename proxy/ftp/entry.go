package ftp

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/names"
)

// listLine formats an entry as ls -l does, see [proxy.Entry.ListTime].
func listLine(e proxy.Entry, now time.Time) string {
	mode := "-rw-r--r--"
	if e.Dir {
		mode = "drwxr-xr-x"
	}
	return fmt.Sprintf("%s 1 ftp ftp %10d %s %s", mode, e.Size, e.ListTime(now), e.Name)
}

// factTime is the layout of times in RFC 3659, section 2.3.
const factTime = "20060102150405"

// allFacts are the facts of MLST and MLSD in the order of the output (RFC 3659, section 7.5).
var allFacts = []string{"type", "size", "modify", "perm", "unique"}

// factLine returns the given facts of an entry, without unknown ones.
func factLine(name string, e proxy.Entry, facts []string) string {
	var b strings.Builder
	for _, f := range facts {
		if v := fact(name, e, f); v != "" {
			b.WriteString(f + "=" + v + ";")
		}
	}
	return b.String()
}

// fact returns the value of a fact, "" if it is unknown.
func fact(name string, e proxy.Entry, fact string) string {
	switch fact {
	case "type":
		if e.Dir {
			return "dir"
		}
		return "file"
	case "size":
		if !e.Dir {
			return fmt.Sprint(e.Size)
		}
	case "modify":
		if t := e.ModTime; !t.IsZero() {
			return t.UTC().Format(factTime)
		}
	case "perm":
		return permFact(e)
	case "unique":
		// Clients take equal values for the same file, so files with equal content need different ones.
		if !e.Resumable && e.ETag != "" {
			return fmt.Sprintf("%s-%x", e.ETag, crc32.ChecksumIEEE([]byte(name)))
		}
	}
	return ""
}

// A permLetter is a letter of the fact perm (RFC 3659, section 7.5.5). It is left out if one of its permissions is denied.
type permLetter struct {
	letter byte
	needs  proxy.Permissions
}

var (
	dirLetters = []permLetter{
		{'c', proxy.PermWrite}, {'d', proxy.PermDelete}, {'e', 0}, {'f', proxy.PermRename}, {'l', proxy.PermList}, {'m', proxy.PermMkdir}, {'p', proxy.PermDelete},
	}
	fileLetters = []permLetter{
		{'a', proxy.PermOverwrite}, {'d', proxy.PermDelete}, {'f', proxy.PermRename}, {'r', proxy.PermRead}, {'w', proxy.PermOverwrite},
	}
	resumableLetters = []permLetter{{'a', proxy.PermWrite}, {'d', proxy.PermDelete}, {'w', proxy.PermWrite}}
)

// permFact returns the fact perm: the operations that the account may do on the entry.
func permFact(e proxy.Entry) string {
	letters := fileLetters
	switch {
	case e.Dir:
		letters = dirLetters
	case e.Resumable:
		letters = resumableLetters
	}
	isFixed := e.Fixed || e.Name == "/"
	var fact []byte
	for _, l := range letters {
		if l.needs&e.Denied == 0 && !(isFixed && (l.letter == 'd' || l.letter == 'f')) {
			fact = append(fact, l.letter)
		}
	}
	return string(fact)
}

// mlstFeature returns the argument of MLST in FEAT: all facts, the selected ones marked.
func (s *session) mlstFeature() string {
	var b strings.Builder
	for _, f := range allFacts {
		b.WriteString(f)
		if slices.Contains(s.facts, f) {
			b.WriteByte('*')
		}
		b.WriteByte(';')
	}
	return b.String()
}

// optsMlst selects facts, and ignores unknown ones (RFC 3659, section 7.9).
func (s *session) optsMlst(options string) error {
	wanted := strings.Split(strings.ToLower(strings.ReplaceAll(options, " ", "")), ";")
	s.facts = nil
	for _, f := range allFacts {
		if slices.Contains(wanted, f) {
			s.facts = append(s.facts, f)
		}
	}
	text := "MLST OPTS"
	if len(s.facts) > 0 {
		text += " " + strings.Join(s.facts, ";") + ";"
	}
	return s.ok(200, text)
}

// cmdMlst replies with the facts of one name (RFC 3659, section 7).
func (s *session) cmdMlst(ctx context.Context, arg string) error {
	name, err := names.Resolve(s.dir, arg)
	if err != nil {
		return err
	}
	e, err := s.statAndReport(ctx, name)
	if errors.Is(err, fs.ErrNotExist) && s.isCwdOrAbove(name) {
		e, err = proxy.Entry{Name: path.Base(name), Dir: true}, nil
	}
	if err != nil {
		return err
	}
	return s.ok(250, "Facts:\n "+factLine(name, e, s.facts)+" "+name+"\nEnd")
}
