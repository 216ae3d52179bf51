package observe

import (
	"context"
	"log/slog"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// Handler returns a handler that adds the session and the user of the context to each line without them, and passes it to h.
// So a line that a store logs with its context shows the session that caused it.
func Handler(h slog.Handler) slog.Handler { return sessionHandler{Handler: h} }

type sessionHandler struct {
	slog.Handler
	session, user bool // the key is set already, at first by WithAttrs
}

// Handle implements slog.Handler.
func (h sessionHandler) Handle(ctx context.Context, r slog.Record) error {
	info, ok := proxy.SessionFrom(ctx)
	if !ok {
		return h.Handler.Handle(ctx, r)
	}
	r = r.Clone() // other handlers may use r too
	r.Attrs(func(a slog.Attr) bool {
		h.seen(a)
		return true
	})
	if !h.session {
		r.AddAttrs(slog.String("session", info.ID))
	}
	if !h.user && info.User != "" {
		r.AddAttrs(slog.String("user", info.User))
	}
	return h.Handler.Handle(ctx, r)
}

// seen notes whether a is the session or the user.
func (h *sessionHandler) seen(a slog.Attr) {
	h.session = h.session || a.Key == "session"
	h.user = h.user || a.Key == "user"
}

// WithAttrs implements slog.Handler.
func (h sessionHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		h.seen(a)
	}
	h.Handler = h.Handler.WithAttrs(attrs)
	return h
}

// WithGroup implements slog.Handler. The attributes that Handle adds are in the group too.
func (h sessionHandler) WithGroup(name string) slog.Handler {
	h.Handler = h.Handler.WithGroup(name)
	return h
}
