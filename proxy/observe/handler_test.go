package observe

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

func TestHandlerAddsSessionAndUserOnce(t *testing.T) {
	ctx := proxy.WithSession(t.Context(), alice)
	beforeLogin := alice
	beforeLogin.User = ""
	for name, c := range map[string]struct {
		log  func(context.Context, *slog.Logger)
		ctx  context.Context
		want string
	}{
		"line of another package": {func(ctx context.Context, l *slog.Logger) { l.InfoContext(ctx, "m", "key", 1) }, ctx, `"key":1,"session":"0a1b","user":"alice"}`},
		"before a login": {func(ctx context.Context, l *slog.Logger) { l.InfoContext(ctx, "m") },
			proxy.WithSession(t.Context(), beforeLogin), `"msg":"m","session":"0a1b"}`},
		"without a session": {func(ctx context.Context, l *slog.Logger) { l.InfoContext(ctx, "m") }, t.Context(), `"msg":"m"}`},
		"event":             {func(ctx context.Context, l *slog.Logger) { Log(l).Observe(ctx, event.Mkdir{Name: "/d"}) }, ctx, `"user":"alice","name":"/d"}`},
		"line with both keys": {func(ctx context.Context, l *slog.Logger) { l.InfoContext(ctx, "m", "session", "x", "user", "y") }, ctx,
			`"msg":"m","session":"x","user":"y"}`},
		"logger with one key": {func(ctx context.Context, l *slog.Logger) { l.With("session", "x").InfoContext(ctx, "m") }, ctx,
			`"msg":"m","session":"x","user":"alice"}`},
		"logger with a group": {func(ctx context.Context, l *slog.Logger) { l.WithGroup("g").InfoContext(ctx, "m", "key", 1) }, ctx,
			`"msg":"m","g":{"key":1,"session":"0a1b","user":"alice"}}`},
	} {
		var b bytes.Buffer
		c.log(c.ctx, slog.New(Handler(jsonHandler(&b), nil)))
		if got := strings.TrimSpace(b.String()); !strings.HasSuffix(got, c.want) || strings.Count(got, `"session"`) > 1 {
			t.Errorf("%s: got %s, want its end to be %s", name, got, c.want)
		}
	}
	var b bytes.Buffer
	errorsOnly := slog.New(Handler(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelError}), nil))
	errorsOnly.WarnContext(ctx, "m")
	Log(errorsOnly).Observe(ctx, event.Mkdir{})
	if b.Len() > 0 {
		t.Errorf("lines below the level are written: %s", b.String())
	}
}

// A line with an error has its explanation, and keeps its own advice.
func TestExplained(t *testing.T) {
	explain := func(err error) (text, reason, advice string) { return "text of " + err.Error(), "reason", "advice" }
	ctx := proxy.WithSession(t.Context(), alice)
	for name, c := range map[string]struct {
		log  func(*slog.Logger)
		want string
	}{
		"of another package": {func(l *slog.Logger) { l.InfoContext(ctx, "m", "err", errCut) },
			`"msg":"m","err":"text of cut","reason":"reason","advice":"advice","session":"0a1b","user":"alice"}`},
		"of no session":    {func(l *slog.Logger) { l.Info("m", "err", errCut) }, `"msg":"m","err":"text of cut","reason":"reason","advice":"advice"}`},
		"with advice":      {func(l *slog.Logger) { l.Info("m", "advice", "own", "err", errCut) }, `"msg":"m","advice":"own","err":"text of cut","reason":"reason"}`},
		"without an error": {func(l *slog.Logger) { l.Info("m", "err", "words") }, `"msg":"m","err":"words"}`},
		"of an event": {func(l *slog.Logger) { Log(l).Observe(ctx, event.SessionEnd{Err: errCut}) },
			`"err":"text of cut","reason":"reason","advice":"advice"}`},
	} {
		var b bytes.Buffer
		c.log(slog.New(Handler(jsonHandler(&b), explain)))
		if got := strings.TrimSpace(b.String()); !strings.HasSuffix(got, c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
