package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/s3ftpd/s3ftpd/config"
)

// importUsers reads the users of another program, and prints a users file. What it cannot take over is in comments there, and
// on standard error.
func importUsers(p *process, args []string) error {
	readers := map[string]func([]byte) ([]imported, error){"htpasswd": readHtpasswd, "sftpgo": readSFTPGo}
	if len(args) != 2 || readers[args[0]] == nil {
		return usage{errors.New("users import: must be followed by htpasswd or sftpgo and a file: s3ftpd users import htpasswd FILE")}
	}
	kind, file := args[0], args[1]
	text, err := readImport(file)
	if err != nil {
		return err
	}
	all, err := readers[kind](text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	var b bytes.Buffer
	writeImported(&b, kind, all)
	if _, err := config.ParseUsers("the imported file", b.Bytes(), nil); err != nil {
		return err
	}
	for _, u := range all {
		for _, note := range u.notes {
			fmt.Fprintf(p.stderr, "s3ftpd: %s%s\n", u.label(), note)
		}
	}
	_, err = p.stdout.Write(b.Bytes())
	return err
}

// maxImport is the maximal size of a file in bytes.
const maxImport = 256 << 20

func readImport(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxImport+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxImport:
		return nil, fmt.Errorf("%s: must be at most 256 MiB long", file)
	case bytes.HasPrefix(text, []byte("\xFF\xFE")) || bytes.HasPrefix(text, []byte("\xFE\xFF")):
		return nil, fmt.Errorf("%s: is UTF-16: must be saved as UTF-8", file)
	}
	return bytes.TrimPrefix(text, []byte("\uFEFF")), nil
}

// An imported user is written with the keys that a users file accepts.
type imported struct {
	name     string
	keys     []string // lines of YAML
	comments []string // for the reader of the file
	notes    []string // what is not taken over, also for standard error
	disabled bool
	skipped  bool // cannot be in a users file at all
}

// note adds what is not taken over.
func (u *imported) note(format string, args ...any) {
	u.notes = append(u.notes, fmt.Sprintf(format, args...))
}

// skip keeps the user out of the file.
func (u *imported) skip(format string, args ...any) {
	u.skipped = true
	u.notes = []string{fmt.Sprintf(format, args...)}
}

// label begins the messages about the user.
func (u *imported) label() string {
	if u.name == "" {
		return ""
	}
	return fmt.Sprintf("user %q: ", u.name)
}

// disable adds what is not taken over, and would let the user do more than before.
func (u *imported) disable(format string, args ...any) {
	u.disabled = true
	u.note("imported disabled: "+format, args...)
}

// key adds a key if a users file accepts it, and reports whether it does. The value is YAML.
func (u *imported) key(name, value string) bool {
	line := name + ": " + value
	if problem := problemOf(append([]string{"name: x", "disabled: true"}, line)); problem != "" {
		u.disable("%s is not taken over: %s", name, problem)
		return false
	}
	u.keys = append(u.keys, line)
	return true
}

// password adds the hash of a password.
func (u *imported) password(hash string) {
	switch err := config.CheckHash(hash); {
	case hash == "":
		u.disable("has no password")
	case err != nil:
		u.disable("the password %v", err)
	default:
		u.keys = append(u.keys, "password: "+config.QuoteYAML(hash))
	}
}

// check looks whether a users file accepts the whole user.
func (u *imported) check(seen map[string]bool) {
	lines := append([]string{"name: " + config.QuoteYAML(u.name), "disabled: true"}, u.keys...)
	problem := problemOf(lines)
	switch {
	case u.skipped:
	case seen[u.name]:
		u.skip("is there more than once: only the first one is imported")
	case problem != "":
		u.skip("is not imported: %s", problem)
	}
	seen[u.name] = true
}

// importedDefaults gives each user a place of its own.
const importedDefaults = "defaults:\n  prefix: \"{user}/\"\n"

// problemOf returns why a users file does not accept a user, or "".
func problemOf(lines []string) string {
	_, err := config.ParseUsers("x", []byte(importedDefaults+"users:\n  - "+strings.Join(lines, "\n    ")+"\n"), nil)
	if err == nil {
		return ""
	}
	problem, _, _ := strings.Cut(err.Error(), "\n")
	for range 2 { // the place, and the user
		if _, rest, found := strings.Cut(problem, ": "); found {
			problem = rest
		}
	}
	return problem
}

// writeImported writes a users file.
func writeImported(b *bytes.Buffer, kind string, all []imported) {
	fmt.Fprintf(b, "# Written by `s3ftpd users import %s`. Users without a place of their own have the prefix of the defaults.\n", kind)
	b.WriteString("# New passwords: `s3ftpd passwd --users FILE --name NAME`. Then remove `disabled: true`, if no other note needs it.\n")
	b.WriteString(importedDefaults)
	seen, count := map[string]bool{}, 0
	var list bytes.Buffer
	for i := range all {
		u := &all[i]
		u.check(seen)
		if u.skipped {
			writeComments(&list, "  ", []string{u.label() + u.notes[0]})
			continue
		}
		count++
		fmt.Fprintf(&list, "  - name: %s\n", config.QuoteYAML(u.name))
		for _, line := range u.keys {
			fmt.Fprintf(&list, "    %s\n", line)
		}
		if u.disabled {
			list.WriteString("    disabled: true\n")
		}
		writeComments(&list, "    ", u.comments)
		writeComments(&list, "    ", u.notes)
	}
	if count == 0 {
		b.WriteString("users: []\n")
	} else {
		b.WriteString("users:\n")
	}
	b.Write(list.Bytes())
}

func writeComments(b *bytes.Buffer, margin string, comments []string) {
	for _, c := range comments {
		fmt.Fprintf(b, "%s# %s\n", margin, printable(c))
	}
}

// printable replaces characters that cannot be in a comment.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r == '\uFEFF' || r == '\uFFFD' {
			return '?'
		}
		return r
	}, text)
}
