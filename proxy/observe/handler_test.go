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

// A line that is logged for a session has it, and the user, once.
func TestHandler(t *testing.T) {
	ctx := proxy.WithSession(t.Context(), alice)
	visitor := alice
	visitor.User = ""
	for name, c := range map[string]struct {
		log  func(context.Context, *slog.Logger)
		ctx  context.Context
		want string
	}{
		"of another package": {func(ctx context.Context, l *slog.Logger) { l.InfoContext(ctx, "m", "key", 1) }, ctx, `"key":1,"session":"0a1b","user":"alice"}`},
		"before a login": {func(ctx context.Context, l *slog.Logger) { l.InfoContext(ctx, "m") },
			proxy.WithSession(t.Context(), visitor), `"msg":"m","session":"0a1b"}`},
		"of no session": {func(ctx context.Context, l *slog.Logger) { l.InfoContext(ctx, "m") }, t.Context(), `"msg":"m"}`},
		"of an event":   {func(ctx context.Context, l *slog.Logger) { Log(l).Observe(ctx, event.Mkdir{Name: "/d"}) }, ctx, `"user":"alice","name":"/d"}`},
		"with them": {func(ctx context.Context, l *slog.Logger) { l.InfoContext(ctx, "m", "session", "x", "user", "y") }, ctx,
			`"msg":"m","session":"x","user":"y"}`},
		"of a logger with one": {func(ctx context.Context, l *slog.Logger) { l.With("session", "x").InfoContext(ctx, "m") }, ctx,
			`"msg":"m","session":"x","user":"alice"}`},
		"in a group": {func(ctx context.Context, l *slog.Logger) { l.WithGroup("g").InfoContext(ctx, "m", "key", 1) }, ctx,
			`"msg":"m","g":{"key":1,"session":"0a1b","user":"alice"}}`},
	} {
		var b bytes.Buffer
		c.log(c.ctx, slog.New(Handler(jsonHandler(&b))))
		if got := strings.TrimSpace(b.String()); !strings.HasSuffix(got, c.want) || strings.Count(got, `"session"`) > 1 {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	var b bytes.Buffer
	quiet := slog.New(Handler(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelError})))
	quiet.WarnContext(ctx, "m")
	Log(quiet).Observe(ctx, event.Mkdir{})
	if b.Len() > 0 {
		t.Errorf("below the level: %s", b.String())
	}
}
