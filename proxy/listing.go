package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"path"
	"strings"
	"syscall"
	"time"
)

func (s *session) cmdList(ctx context.Context, arg string) (reply, error) {
	_, arg = cutFlags(arg)
	return s.list(ctx, "LIST", arg, listLine(time.Now()))
}

func (s *session) cmdNlst(ctx context.Context, arg string) (reply, error) {
	flags, arg := cutFlags(arg)
	if strings.Contains(flags, "l") { // what a user gets who types "ls -l", with vsftpd as well
		return s.list(ctx, "NLST", arg, listLine(time.Now()))
	}
	// NLST of a path gives paths, so that each can be used in RETR as it is (RFC 1123, section 4.1.2.7);
	// of a directory it gives names alone, as clients have come to expect.
	prefix, _ := path.Split(arg)
	return s.list(ctx, "NLST", arg, func(info fs.FileInfo) string {
		switch info.(type) {
		case alone:
			return arg
		case matched:
			return prefix + info.Name()
		}
		return info.Name()
	})
}

func (s *session) cmdMlsd(ctx context.Context, arg string) (reply, error) {
	dir, err := resolve(s.dir, arg)
	if err != nil {
		return reply{}, err
	}
	facts := s.facts
	return s.list(ctx, "MLSD", arg, func(info fs.FileInfo) string {
		return factLine(path.Join(dir, info.Name()), info, facts) + " " + info.Name()
	})
}

// cutFlags parts the options of ls that clients send from the path. They are not names: "-" and letters or digits, each with
// a blank behind it or at the end; "--" ends them. Blanks alone are no name either.
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

// isFlags says whether a text begins with options.
func isFlags(text string) bool {
	word, _, _ := strings.Cut(text, " ")
	letters, dashed := strings.CutPrefix(word, "-")
	return dashed && letters != "" && (letters == "-" || strings.Trim(strings.ToLower(letters), "abcdefghijklmnopqrstuvwxyz0123456789") == "")
}

// list sends one line for each entry that arg means, as the entries come.
func (s *session) list(ctx context.Context, verb, arg string, format func(fs.FileInfo) string) (reply, error) {
	s.offset, s.size = 0, 0
	name, err := resolve(s.dir, arg)
	if err != nil {
		return reply{}, err
	}
	charset := s.names().Names
	// What is there for sure is announced at once; of anything else the first entry tells whether it is.
	entries, sure := s.entries(name)
	if verb == "MLSD" { // a directory, and no pattern (RFC 3659, section 7.1)
		entries, sure = s.inDirectory(name, false), s.standsIn(name)
	}
	return s.transfer(ctx, verb, name, func(ctx context.Context, t *transfer) error {
		if sure {
			if err := t.connect(ctx, "Here comes the list."); err != nil {
				return err
			}
		}
		next, stop := iter.Pull2(entries(ctx))
		defer stop()
		info, err, more := next()
		if err != nil {
			return err
		}
		if !sure {
			if err := t.connect(ctx, "Here comes the list."); err != nil {
				return err
			}
		}
		return t.send(func(w io.Writer) error {
			lines := bufio.NewWriterSize(w, 32<<10)
			for ; more; info, err, more = next() {
				if err != nil {
					return err
				}
				lines.WriteString(charset.say(format(info)))
				if _, err := lines.WriteString("\r\n"); err != nil {
					return err
				}
			}
			return lines.Flush()
		})
	})
}

// A source yields the entries that a path means, in order, with at most one error at the end.
type source func(ctx context.Context) iter.Seq2[fs.FileInfo, error]

// entries are those of the directory of that name, or those that its last element matches as a pattern, or the file itself.
// What is a directory's name to the letter is no pattern, unless it begins with a star, as most patterns do. It reads the
// session now, and the store when it is called; it is sure where that will find something, if only an empty directory.
func (s *session) entries(name string) (list source, sure bool) {
	dir, last := path.Dir(name), path.Base(name)
	plain := s.fileOrDirectory(name)
	if there := s.isKnown(name) || s.standsIn(name); there || !isPattern(last) {
		return plain, there
	}
	p := newPattern(last)
	matching, sure := s.matching(dir, p), s.isKnown(dir) || p.prefix() != ""
	if last[0] == '*' {
		return matching, sure
	}
	store := s.store
	return func(ctx context.Context) iter.Seq2[fs.FileInfo, error] {
		if statDir(ctx, store, name) == nil {
			return plain(ctx)
		}
		return matching(ctx)
	}, sure
}

// fileOrDirectory yields what is in the directory of that name, or the file.
func (s *session) fileOrDirectory(name string) source {
	directory := s.inDirectory(name, s.isKnown(name))
	return func(ctx context.Context) iter.Seq2[fs.FileInfo, error] {
		return func(yield func(fs.FileInfo, error) bool) {
			for info, err := range directory(ctx) {
				if file := (aFile{}); errors.As(err, &file) {
					info, err = alone{file.info}, nil
				}
				if !yield(info, err) {
					return
				}
			}
		}
	}
}

// alone is a file that is listed by its own name, and matched is what a pattern means.
type (
	alone   struct{ fs.FileInfo }
	matched struct{ fs.FileInfo }
)

// aFile is syscall.ENOTDIR, and says what it is instead.
type aFile struct{ info fs.FileInfo }

func (aFile) Error() string { return "that is a file" }
func (aFile) Unwrap() error { return syscall.ENOTDIR }

func (s *session) matching(dir string, p pattern) source {
	store, names := s.store, s.names()
	return func(ctx context.Context) iter.Seq2[fs.FileInfo, error] {
		return func(yield func(fs.FileInfo, error) bool) {
			for info, err := range names.list(ctx, store, dir, p.prefix()) {
				if err == nil && !p.match(info.Name()) {
					continue
				}
				if !yield(matched{info}, err) {
					return
				}
			}
		}
	}
}

// inDirectory yields what is in a directory; a file is syscall.ENOTDIR. One that is not there, but in which this session stands,
// is empty. So is one that may have vanished with its last file, for the old clients that have emptied it and look again.
func (s *session) inDirectory(dir string, mayVanish bool) source {
	store, names, standsIn := s.store, s.names(), s.standsIn(dir)
	return func(ctx context.Context) iter.Seq2[fs.FileInfo, error] {
		return func(yield func(fs.FileInfo, error) bool) {
			for info, err := range names.list(ctx, store, dir, "") {
				if errors.Is(err, fs.ErrNotExist) {
					if standsIn {
						return
					}
					if info, e := store.Stat(ctx, dir); e == nil && !info.IsDir() {
						err = aFile{info}
					} else if mayVanish {
						return
					}
				}
				if !yield(info, err) {
					return
				}
			}
		}
	}
}

// statPath lists over the control connection (RFC 959, section 4.1.3).
func (s *session) statPath(ctx context.Context, arg string) (reply, error) {
	_, arg = cutFlags(arg)
	name, err := resolve(s.dir, arg)
	if err != nil {
		return reply{}, err
	}
	format, begun := listLine(time.Now()), false
	begin := func() {
		if !begun {
			s.writeText(reply{213, "Status of " + name + ":\nEnd"}.first())
		}
		begun = true
	}
	entries, _ := s.entries(name)
	for info, err := range entries(ctx) {
		if err != nil && !begun {
			return reply{}, err
		}
		begin()
		if err != nil {
			return reply{213, "Incomplete, the storage does not answer as it should."}, nil
		}
		if err := s.writeText(inner(format(info))); err != nil {
			return reply{}, err
		}
	}
	begin()
	return reply{213, "End"}, nil
}
