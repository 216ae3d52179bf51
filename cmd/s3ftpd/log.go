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

// newLog returns a logger that writes text to a terminal and JSON elsewhere, unless --log-format names one of them. It escapes
// control characters, so that a client cannot send commands to the terminal. Lines of a session have its ID and user; lines with
// an error have its explanation.
func newLog(c *config.Config, w io.Writer) *slog.Logger {
	f, isFile := w.(*os.File)
	terminal := isFile && term.IsTerminal(int(f.Fd()))
	if c.LogFormat == "json" || c.LogFormat == "auto" && !terminal {
		return slog.New(observe.Handler(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: c.LogLevel, ReplaceAttr: legibleAttr}), explainer(c)))
	}
	return slog.New(observe.Handler(textHandler(w, c.LogLevel, terminal), explainer(c)))
}

// explainer explains the errors of a log.
func explainer(c *config.Config) observe.Explainer {
	return func(err error) (text, reason, advice string) {
		x, text := explain(c, err), errorText(err)
		if e, ok := errors.AsType[*s3fs.RequestError](err); ok && e.ID != "" {
			text += " (request " + e.ID + ")"
		}
		return text, x.reason, x.advice
	}
}

func textHandler(w io.Writer, level slog.Level, color bool) slog.Handler {
	return tint.NewTextHandler(w, &tint.Options{Level: level, NoColor: !color, TimeFormat: time.DateTime, ReplaceAttr: legibleAttr})
}

// legibleAttr escapes control characters in an attribute, and drops a nil attribute. The handlers are not enough: the JSON handler
// does not escape the control characters from U+007F on; tint writes escape sequences as they are in color, and drops
// them without color.
func legibleAttr(_ []string, a slog.Attr) slog.Attr {
	var text string
	switch a.Value.Kind() {
	case slog.KindString:
		text = a.Value.String()
	case slog.KindAny:
		if a.Value.Any() == nil {
			return slog.Attr{} // a nil error
		}
		text = fmt.Sprint(a.Value.Any())
	}
	if l := legible(text); l != text {
		return slog.String(a.Key, l)
	}
	return a
}

// legible escapes control characters and invalid UTF-8. All handlers already escape newlines and tabs. The four characters
// \x1b are rewritten too: in color, tint would turn them into an escape character.
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
