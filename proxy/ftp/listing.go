package ftp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/names"
)

func (s *session) cmdList(ctx context.Context, arg string) error {
	_, arg = cutFlags(arg)
	return s.list(ctx, "LIST", arg, s.entries, longLine(time.Now()))
}

func (s *session) cmdNlst(ctx context.Context, arg string) error {
	flags, arg := cutFlags(arg)
	if strings.Contains(flags, "l") { // a user typed "ls -l"; vsftpd does the same
		return s.list(ctx, "NLST", arg, s.entries, longLine(time.Now()))
	}
	// Each name can be used in RETR (RFC 1123, section 4.1.2.7): it has the directory as given in the argument.
	given := strings.TrimRight(arg, "/")
	above, _ := path.Split(given)
	inside := given + "/"
	if arg == "" || arg == "." {
		inside = ""
	}
	return s.list(ctx, "NLST", arg, s.entries, func(e listed) string {
		switch e.by {
		case foundByName:
			return given
		case foundByPattern:
			return above + e.Name
		}
		return inside + e.Name
	})
}

func (s *session) cmdMlsd(ctx context.Context, arg string) error {
	dir, err := names.Resolve(s.dir, arg)
	if err != nil {
		return err
	}
	facts := s.facts
	directory := func(dir, _ string) entrySource { return s.inDirectory(dir, false) } // no patterns (RFC 3659, section 7.1)
	return s.list(ctx, "MLSD", arg, directory, func(e listed) string {
		return factLine(path.Join(dir, e.Name), e.Entry, facts) + " " + e.Name
	})
}

// cutFlags splits ls options from the path. An option is "-" and letters or digits, followed by a blank or the end; "--" ends the
// options. Blanks alone are not a path.
func cutFlags(arg string) (flags, path string) {
	rest := strings.TrimLeft(arg, " ")
	for isFlags(rest) {
		word, after, _ := strings.Cut(rest, " ")
		rest = strings.TrimLeft(after, " ")
		arg, flags = rest, flags+word
		if word == "--" {
			break
		}
	}
	if rest == "" {
		return flags, ""
	}
	return flags, arg
}

// isFlags reports whether text begins with an option.
func isFlags(text string) bool {
	word, _, _ := strings.Cut(text, " ")
	letters, dashed := strings.CutPrefix(word, "-")
	return dashed && letters != "" && (letters == "-" || strings.Trim(strings.ToLower(letters), "abcdefghijklmnopqrstuvwxyz0123456789") == "")
}

// list sends a line for each entry as the store returns them. It sends the preliminary reply after the store's first answer: if that
// is an error, the client gets its reply instead of a reset data connection.
func (s *session) list(ctx context.Context, verb, arg string, entries func(name, arg string) entrySource, format func(listed) string) error {
	s.restOffset, s.alloSize = 0, 0
	name, err := names.Resolve(s.dir, arg)
	if err != nil {
		return err
	}
	codec, list := s.codec(), entries(name, arg)
	return s.transfer(ctx, verb, name, 0, func(ctx context.Context, t *transfer) error {
		next, stop := iter.Pull2(list(ctx))
		defer stop()
		e, err, more := next()
		if err != nil {
			return err
		}
		if err := t.connect(ctx, "Here comes the directory listing."); err != nil {
			return err
		}
		return t.send(func(w io.Writer) error {
			lines := bufio.NewWriterSize(w, 32<<10)
			for ; more; e, err, more = next() {
				if err != nil {
					return err
				}
				if e.hidden {
					continue
				}
				lines.WriteString(codec.EncodeText(format(e)))
				if _, err := lines.WriteString("\r\n"); err != nil {
					return err
				}
			}
			return lines.Flush()
		})
	})
}

// A listed is an entry of a listing. A hidden one is not sent; it only shows that the store has answered.
type listed struct {
	proxy.Entry
	by     found
	hidden bool
}

// found is the reason why an entry is in a listing.
type found int

const (
	foundInside found = iota // in the requested directory
	foundByName              // the requested file itself
	foundByPattern
)

// longLine returns the format of LIST.
func longLine(now time.Time) func(listed) string {
	return func(e listed) string { return listLine(e.Entry, now) }
}

// An entrySource yields entries in order, with at most one error at the end.
type entrySource func(ctx context.Context) iter.Seq2[listed, error]

// entries returns the entries of a directory, those that match a pattern in the last element, or a file. A pattern with a final slash
// in arg matches directories only. A name that is literally a directory's is not a pattern, unless it begins with a star. The session
// is read now, the store when the source is called.
func (s *session) entries(name, arg string) entrySource {
	dir, last := path.Dir(name), path.Base(name)
	plain := s.fileOrDirectory(name)
	if s.isKnown(name) || s.isCwdOrAbove(name) || !names.IsPattern(last) {
		return plain
	}
	matching := s.matching(dir, names.NewPattern(last), strings.HasSuffix(arg, "/"))
	if last[0] == '*' {
		return matching
	}
	store := s.store
	return func(ctx context.Context) iter.Seq2[listed, error] {
		if statDir(ctx, store, name) == nil {
			return plain(ctx)
		}
		return matching(ctx)
	}
}

// fileOrDirectory yields the entries of a directory, or the file of that name.
func (s *session) fileOrDirectory(name string) entrySource {
	directory := s.inDirectory(name, s.isKnown(name))
	return func(ctx context.Context) iter.Seq2[listed, error] {
		return func(yield func(listed, error) bool) {
			for e, err := range directory(ctx) {
				if file := (notDirError{}); errors.As(err, &file) {
					e, err = listed{Entry: file.entry, by: foundByName}, nil
				}
				if !yield(e, err) {
					return
				}
			}
		}
	}
}

// A notDirError is syscall.ENOTDIR with the entry of the file.
type notDirError struct{ entry proxy.Entry }

func (notDirError) Error() string { return "that is a file" }
func (notDirError) Unwrap() error { return syscall.ENOTDIR }

func (s *session) matching(dir string, p names.Pattern, directories bool) entrySource {
	store, codec := s.store, s.codec()
	return func(ctx context.Context) iter.Seq2[listed, error] {
		return func(yield func(listed, error) bool) {
			for e, err := range listEncodable(ctx, codec, store, dir, p.Prefix()) {
				e.by = foundByPattern
				e.hidden = e.hidden || !p.Match(e.Name) || directories && !e.Dir
				if directories {
					e.Name += "/"
				}
				if !yield(e, err) {
					return
				}
			}
		}
	}
}

// inDirectory yields the entries of a directory; a file is a notDirError. A missing directory is empty if it is the current one or a
// parent, or if mayVanish is set: it may have vanished with its last file, and old clients list a directory that they have emptied.
func (s *session) inDirectory(dir string, mayVanish bool) entrySource {
	store, codec, isCwdOrAbove := s.store, s.codec(), s.isCwdOrAbove(dir)
	return func(ctx context.Context) iter.Seq2[listed, error] {
		return func(yield func(listed, error) bool) {
			for e, err := range listEncodable(ctx, codec, store, dir, "") {
				if errors.Is(err, fs.ErrNotExist) {
					if isCwdOrAbove {
						return
					}
					if file, missing := stat(ctx, store, dir); missing == nil && !file.Dir {
						err = notDirError{file}
					} else if mayVanish {
						return
					}
				}
				if !yield(e, err) {
					return
				}
			}
		}
	}
}

// statPath sends a listing over the control connection (RFC 959, section 4.1.3).
func (s *session) statPath(ctx context.Context, arg string) error {
	_, arg = cutFlags(arg)
	name, err := names.Resolve(s.dir, arg)
	if err != nil {
		return err
	}
	format, begun := longLine(time.Now()), false
	begin := func() {
		if !begun {
			s.writeText(reply{213, "Status of " + name + ":\nEnd"}.firstLine())
		}
		begun = true
	}
	for e, err := range s.entries(name, arg)(ctx) {
		if err != nil && !begun {
			return err
		}
		begin()
		if err != nil {
			err = causedBy(ctx, err)
			s.observe(ctx, event.CommandFailed{Command: "STAT", Name: arg, Code: 213, Cause: causeOf(err), Err: err})
			return s.ok(213, "Incomplete, storage error.")
		}
		if e.hidden {
			continue
		}
		if err := s.writeText(innerLine(format(e))); err != nil {
			return fmt.Errorf("%w: %w", errControlLost, err)
		}
	}
	begin()
	return s.ok(213, "End")
}
