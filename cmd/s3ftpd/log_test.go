package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/s3ftpd/s3ftpd/config"
)

// hostile are texts with commands for a terminal, with line breaks, or with invalid UTF-8.
var hostile = []string{
	"\x1b[2J", "a \x1b[2J", "\x1b]0;title\x07", "\x1b", `\x1b[2J`, `a \x1b[2J`, `a \\x1b[2J`, "\u009b2J", "a \u009b2J", "\u0085", "\x7f", "\r", "a\rb", "a\nb", "\x00",
	"caf\xe9 and more", "\x9b2J", "\xff",
}

// colors matches the escape sequences that tint writes for a terminal.
var colors = regexp.MustCompile("\x1b\\[[0-9;]*m")

// isClean reports whether a log is valid UTF-8, has the given number of lines, and has no other control characters.
func isClean(log string, lines int) bool {
	return utf8.ValidString(log) && strings.Count(log, "\n") == lines && strings.HasSuffix(log, "\n") &&
		!strings.ContainsFunc(strings.ReplaceAll(log, "\n", ""), unicode.IsControl)
}

// TestHostileSession: control characters from a client, in commands and in names, before and after the login, reach no terminal:
// neither in the log at level debug nor in a reply.
func TestHostileSession(t *testing.T) {
	store := httptest.NewServer(embedded(t, "invoices"))
	defer store.Close()
	for _, format := range []string{"json", "text"} {
		r := start(t, []string{"S3FTPD_PASSWORD=secret"}, "--user=alice", "--bucket=invoices", "--ftp=127.0.0.1:0", "--endpoint", store.URL,
			"--region=us-east-1", "--log-level=debug", "--log-format", format)
		address := regexp.MustCompile(`listening[^0-9]+([0-9.:]+[0-9])`).FindStringSubmatch(r.stderr.await(t, "implicit"))[1]
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		go io.WriteString(conn, hostileScript())
		said, err := io.ReadAll(conn)
		conn.Close()
		if text := strings.ReplaceAll(string(said), "\r\n", "\n"); err != nil || !isClean(text, strings.Count(text, "\n")) ||
			!strings.HasSuffix(text, "\n221 Goodbye.\n") {
			t.Errorf("%s: %v after %q", format, err, said)
		}
		r.end(t)
		got := r.stderr.String()
		if !isClean(got, strings.Count(got, "\n")) || !strings.Contains(got, `u009b2J`) || !strings.Contains(got, "login refused") {
			t.Errorf("%s: logged %q", format, got)
		}
	}
}

// hostileScript returns commands with each hostile text, before and after the login, and QUIT.
func hostileScript() string {
	var b strings.Builder
	for _, text := range hostile {
		fmt.Fprintf(&b, "CLNT %s\r\nHOST %[1]s\r\nUSER %[1]s\r\nSTAT\r\n", text)
		if b.Len() > 200 {
			break // before the login, the server closes the connection after ten unknown commands
		}
	}
	b.WriteString("USER alice\r\nPASS secret\r\n")
	for _, text := range hostile {
		for _, verb := range []string{"MKD", "CWD", "STOR", "STOU", "HASH", "XCRC", "RNFR", "LIST", "STAT", "SITE", "MFMT 20260102030405", "OPTS UTF8",
			"HELP", "CLNT", "TYPE", "EPRT", "REST", ""} {
			b.WriteString(verb + " " + text + "\r\n")
		}
		b.WriteString(text + "\r\nPWD\r\nUSER " + text + "\r\nSTAT\r\nUSER alice\r\nPASS secret\r\n")
	}
	b.WriteString("USER \x1b[2J\u009b2J\xe9\r\nPASS x\r\nQUIT\r\n")
	return b.String()
}

// TestLogIsLegible: in each format, every record is one line, and no text in it can command the terminal.
func TestLogIsLegible(t *testing.T) {
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"JSON":       func(b *bytes.Buffer) slog.Handler { return newLog(&config.Config{LogFormat: "json"}, b).Handler() },
		"text":       func(b *bytes.Buffer) slog.Handler { return newLog(&config.Config{LogFormat: "text"}, b).Handler() },
		"in colours": func(b *bytes.Buffer) slog.Handler { return textHandler(b, slog.LevelDebug, true) },
	} {
		for _, text := range hostile {
			for kind, value := range map[string]any{"string": text, "error": errors.New(text), "list": []string{"a", text}, "bytes": []byte(text)} {
				var b bytes.Buffer
				log := slog.New(handler(&b))
				log.With("with", value).Info("message", "name", value)
				if got := colors.ReplaceAllString(b.String(), ""); !isClean(got, 1) {
					t.Errorf("%s, %s: of %q is logged %q", name, kind, text, got)
				}
			}
		}
		var b bytes.Buffer
		slog.New(handler(&b)).Info("message", "name", "a\x1b[2Jb\xe9c", "n", 7, "err", error(nil))
		if got := b.String(); !strings.Contains(strings.ReplaceAll(got, `\\`, `\`), `a\u001b[2Jb\xe9c`) || !strings.Contains(got, "7") {
			t.Errorf("%s: %q", name, got)
		}
	}
}
