package scp

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
)

// Command lines of clients, and what they mean. The comments say which client sends a line.
func TestParse(t *testing.T) {
	for line, want := range map[string]Command{
		`scp -t startup-config`:          {Receive: true, Paths: []Path{{Text: "startup-config"}}},                          // Cisco IOS
		`scp -v -t /cfg/router`:          {Receive: true, Paths: []Path{{Text: "/cfg/router"}}},                             // Junos: OpenSSH with -v
		`scp -p -t -- -odd`:              {Receive: true, Times: true, Paths: []Path{{Text: "-odd"}}},                       // OpenSSH
		`scp -v -r -p -d -t a`:           {Receive: true, Recursive: true, Times: true, Directory: true, Paths: paths("a")}, // OpenSSH, pscp
		`scp -t -d dir`:                  {Receive: true, Directory: true, Paths: paths("dir")},                             // SSH.NET
		`scp -t  a`:                      {Receive: true, Paths: paths("a")},                                                // libssh
		`scp -pt 'it'"'"'s'`:             {Receive: true, Times: true, Paths: paths("it's")},                                // libssh2
		`scp -pf 'why'\!''`:              {Times: true, Paths: paths("why!")},                                               // libssh2
		`scp -qt "a b"`:                  {Receive: true, Paths: paths("a b")},                                              // go-scp
		`/usr/bin/scp -qrt dir`:          {Receive: true, Recursive: true, Paths: paths("dir")},                             // go-scp
		`scp -t a\ \'b\'`:                {Receive: true, Paths: paths("a 'b'")},                                            // net-scp
		`scp -f a 'b c' d\ e`:            {Paths: paths("a", "b c", "d e")},                                                 // pscp: a shell splits
		`scp -f "a\"\\\b"`:               {Paths: paths(`a"\\b`)},
		`scp -t ''`:                      {Receive: true, Paths: paths("")},
		`scp -t -`:                       {Receive: true, Paths: paths("-")},
		`scp -f größe#{a,b}!`:            {Paths: paths("größe#{a,b}!")},
		`scp -f ~/a '~/a' \~/a`:          {Paths: []Path{{Text: "~/a", Home: true}, {Text: "~/a"}, {Text: "~/a"}}},
		`scp -f d/*.txt`:                 {Paths: []Path{{Text: "d/*.txt", Pattern: "*.txt"}}},
		`scp -f d/\*.t?t'[x'*/`:          {Paths: []Path{{Text: "d/*.t?t[x*/", Pattern: "[*].t?t[[]x*"}}},
		`scp -f '*' \? "[a]" */a d?/"*"`: {Paths: paths("*", "?", "[a]", "*/a", "d?/*")}, // only the last element is a pattern
	} {
		if got, err := Parse(line); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, want %+v", line, got, err, want)
		}
	}
}

func paths(texts ...string) (all []Path) {
	for _, text := range texts {
		all = append(all, Path{Text: text})
	}
	return all
}

// Commands that are not exactly those of SCP are refused.
func TestParseRefuses(t *testing.T) {
	for line, want := range map[string]error{
		"": ErrNotSCP, "ls": ErrNotSCP, "rsync --server -e.LsfxC . a": ErrNotSCP, "md5sum a": ErrNotSCP, "sha1sum a": ErrNotSCP,
		"scp2 -t a": ErrNotSCP, "./scp -t a": ErrNotSCP, "scp\n-t a": ErrNotSCP, "scp;ls": ErrNotSCP, "'scp -t a'": ErrNotSCP,
		"scp": errUsage, "scp a b": errUsage, "scp -t": errUsage, "scp -f": errUsage, "scp -t -f a": errUsage, "scp -r a": errUsage,
		"scp -S ls -t a": errUsage, "scp -o ProxyCommand=ls -t a": errUsage, "scp -1 -t a": errUsage, "scp --help -t a": errUsage,
		"scp -t a b": errOnePath, "scp -t a -r": errOnePath,
		"scp -t a;ls": errSyntax, "scp -t a && ls": errSyntax, "scp -f a | ls": errSyntax, "scp -f $HOME/a": errSyntax, "scp -f `ls`": errSyntax,
		`scp -f "$HOME"`: errSyntax, "scp -f a > b": errSyntax, "scp -f (a)": errSyntax, "scp -t 'a": errSyntax, `scp -t "a`: errSyntax, `scp -t a\`: errSyntax,
		"scp -t a\nls": errSyntax, "scp -t 'a\nb'": errSyntax, "scp -t a\x00": errSyntax, "scp -t a\\\n": errSyntax, "scp -t \"a\\": errSyntax,
	} {
		if got, err := Parse(line); !errors.Is(err, want) {
			t.Errorf("%q: %+v, %v, want %v", line, got, err, want)
		}
	}
}

// Lines of a sender are messages, or protocol errors.
func TestNext(t *testing.T) {
	for text, want := range map[string]any{
		"C0644 5 a b\n":                        Message{Kind: File, Size: 5, Name: "a b"},
		"C644 0 \xe4\n":                        Message{Kind: File, Name: "\xe4"},
		"D0755 0 d\n":                          Message{Kind: Directory, Name: "d"},
		"E\n":                                  Message{Kind: End},
		"T1000000000 0 1 0\n":                  Message{Kind: Times, ModTime: time.Unix(1_000_000_000, 0).UTC()},
		"\x01no \x1b[2Jfile\n":                 Message{Kind: Warning, Text: "no ?[2Jfile"},
		"\x02gone\n":                           Message{Kind: Fatal, Text: "gone"},
		"":                                     io.EOF,
		"C0644 5 a":                            io.ErrUnexpectedEOF,
		"C0644 5 " + strings.Repeat("a", 5000): ErrProtocol,
		"\x00\n":                               ErrProtocol,
		"\n":                                   ErrProtocol,
		"X\n":                                  ErrProtocol,
		"E \n":                                 ErrProtocol,
		"C\n":                                  ErrProtocol,
		"C0648 5 a\n":                          ErrProtocol,
		"C+644 5 a\n":                          ErrProtocol,
		"C 5 a\n":                              ErrProtocol,
		"C0644  5 a\n":                         ErrProtocol,
		"C0644 5\n":                            ErrProtocol,
		"C0644 5 \n":                           ErrProtocol,
		"C0644 -5 a\n":                         ErrProtocol,
		"C0644 +5 a\n":                         ErrProtocol,
		"C0644 0x5 a\n":                        ErrProtocol,
		"C0644 99999999999999999999 a\n":       ErrProtocol,
		"C0644 5 .\n":                          ErrProtocol,
		"D0755 0 ..\n":                         ErrProtocol,
		"C0644 5 a/b\n":                        ErrProtocol,
		"C0644 5 /\n":                          ErrProtocol,
		"T1 0 1\n":                             ErrProtocol,
		"T1 0 1 0 0\n":                         ErrProtocol,
		"T-1 0 1 0\n":                          ErrProtocol,
		"T253402300800 0 1 0\n":                ErrProtocol,
	} {
		switch got, err := NewReader(strings.NewReader(text)).Next(); want := want.(type) {
		case error:
			if !errors.Is(err, want) {
				t.Errorf("%q: %+v, %v, want %v", text, got, err, want)
			}
		case Message:
			if err != nil || got != want {
				t.Errorf("%q: %+v, %v, want %+v", text, got, err, want)
			}
		}
	}
}

// A receiver answers with 0, or with a line.
func TestAnswer(t *testing.T) {
	r := NewReader(strings.NewReader("\x00\x01full\n\x02the end\n?\n"))
	if err := r.Answer(); err != nil {
		t.Error(err)
	}
	for _, want := range []Refusal{{false, "full"}, {true, "the end"}} {
		if got, ok := errors.AsType[*Refusal](r.Answer()); !ok || *got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if err := r.Answer(); !errors.Is(err, ErrProtocol) {
		t.Error(err)
	}
	if err := r.Answer(); err != io.ErrUnexpectedEOF {
		t.Error(err)
	}
}

// A reader understands what this package sends.
func TestAppend(t *testing.T) {
	mtime := time.Unix(1_234_567_890, 999).UTC()
	b := AppendEnd(AppendDirectory(AppendFile(AppendTimes(nil, mtime), 7, "a b"), "d"))
	b = AppendOK(AppendRefusal(AppendTimes(b, time.Time{}), Refusal{Text: "two\nlines"}))
	r := NewReader(bytes.NewReader(b))
	for _, want := range []Message{
		{Kind: Times, ModTime: mtime.Truncate(time.Second)}, {Kind: File, Size: 7, Name: "a b"}, {Kind: Directory, Name: "d"}, {Kind: End},
		{Kind: Times, ModTime: time.Unix(0, 0).UTC()}, {Kind: Warning, Text: "scp: two?lines"},
	} {
		if got, err := r.Next(); err != nil || got != want {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
	if err := r.Answer(); err != nil {
		t.Error(err)
	}
}

// FuzzCommand: a path is the same after any quoting, and a line that is not of SCP is an error.
func FuzzCommand(f *testing.F) {
	f.Add("a b*", `scp -t 'a'\ "b"`)
	f.Add("it's", "scp -f $(ls)")
	f.Fuzz(func(t *testing.T, name, line string) {
		if c, err := Parse(line); err == nil && (len(c.Paths) == 0 || c.Receive && len(c.Paths) != 1 || strings.ContainsAny(c.Paths[0].Text, "\n\x00")) {
			t.Errorf("%q: %+v", line, c)
		}
		if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return
		}
		var escaped strings.Builder
		for i := range len(name) {
			escaped.WriteByte('\\')
			escaped.WriteByte(name[i])
		}
		single := "'" + strings.ReplaceAll(name, "'", `'"'"'`) + "'"
		for _, quoted := range []string{single, escaped.String()} {
			if quoted == "" {
				continue
			}
			c, err := Parse("scp -r -t -- " + quoted)
			if err != nil || len(c.Paths) != 1 || c.Paths[0] != (Path{Text: name}) {
				t.Errorf("%s: %+v, %v, want the path %q", quoted, c, err, name)
			}
		}
	})
}
