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
		c.log(c.ctx, slog.New(Handler(jsonHandler(&b))))
		if got := strings.TrimSpace(b.String()); !strings.HasSuffix(got, c.want) || strings.Count(got, `"session"`) > 1 {
			t.Errorf("%s: got %s, want its end to be %s", name, got, c.want)
		}
	}
	var b bytes.Buffer
	errorsOnly := slog.New(Handler(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelError})))
	errorsOnly.WarnContext(ctx, "m")
	Log(errorsOnly).Observe(ctx, event.Mkdir{})
	if b.Len() > 0 {
		t.Errorf("lines below the level are written: %s", b.String())
	}
}
