package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy/observe"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// newLog returns a log of lines for people on a terminal, and of JSON objects elsewhere. Texts of clients are escaped, so that
// none reaches a terminal as a command. Lines of a session have its ID and user; lines with an error have its explanation.
func newLog(c *config.Config, w io.Writer) *slog.Logger {
	explainer := func(err error) (text, reason, advice string) {
		x, text := explain(c, err), errorText(err)
		if e, ok := errors.AsType[*s3fs.RequestError](err); ok && e.ID != "" {
			text += " (request " + e.ID + ")"
		}
		return text, x.reason, x.advice
	}
	f, isFile := w.(*os.File)
	terminal := isFile && term.IsTerminal(int(f.Fd()))
	if c.LogFormat == "json" || c.LogFormat == "auto" && !terminal {
		return slog.New(observe.Handler(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: c.LogLevel, ReplaceAttr: legibleAttr}), explainer))
	}
	return slog.New(observe.Handler(textHandler(w, c.LogLevel, terminal), explainer))
}

func textHandler(w io.Writer, level slog.Level, color bool) slog.Handler {
	return tint.NewTextHandler(w, &tint.Options{Level: level, NoColor: !color, TimeFormat: time.DateTime, ReplaceAttr: legibleAttr})
}

// legibleAttr makes an attribute legible that is not, and leaves out one that is nil. The handlers do not do it all: JSON leaves the controls from U+007F on as
// they are, and tint lets an escape sequence through in colour, and without colour leaves it out.
func legibleAttr(_ []string, a slog.Attr) slog.Attr {
	var text string
	switch a.Value.Kind() {
	case slog.KindString:
		text = a.Value.String()
	case slog.KindAny:
		if a.Value.Any() == nil {
			return slog.Attr{} // an error that is none
		}
		text = fmt.Sprint(a.Value.Any())
	}
	if l := legible(text); l != text {
		return slog.String(a.Key, l)
	}
	return a
}

// legible writes out control characters, but for ends of line and tabs, which all handlers do, and bytes that are no UTF-8.
// In colour, tint would make an escape character of the letters \x1b too.
func legible(text string) string {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, isIllegible) && !strings.Contains(text, `\x1b`) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], string(r)):
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case isIllegible(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return strings.ReplaceAll(b.String(), `\x1b`, `\u001b`)
}

func isIllegible(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }
