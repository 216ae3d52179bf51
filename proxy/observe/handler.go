package observe

import (
	"context"
	"log/slog"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// Handler returns a handler that adds the session and the user of a line's context to the line, where it does not have them,
// and gives it to h. So a line of a store says for whom it worked, if it is logged with its context.
func Handler(h slog.Handler) slog.Handler { return sessionHandler{Handler: h} }

type sessionHandler struct {
	slog.Handler
	session, user bool // the handler has them from WithAttrs
}

// Handle implements slog.Handler.
func (h sessionHandler) Handle(ctx context.Context, r slog.Record) error {
	info, ok := proxy.SessionFrom(ctx)
	if !ok {
		return h.Handler.Handle(ctx, r)
	}
	r = r.Clone() // others may have it too
	r.Attrs(func(a slog.Attr) bool {
		h.note(a)
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

func (h *sessionHandler) note(a slog.Attr) {
	h.session = h.session || a.Key == "session"
	h.user = h.user || a.Key == "user"
}

// WithAttrs implements slog.Handler.
func (h sessionHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		h.note(a)
	}
	h.Handler = h.Handler.WithAttrs(attrs)
	return h
}

// WithGroup implements slog.Handler. What Handle adds to a line belongs to its group, as all attributes do.
func (h sessionHandler) WithGroup(name string) slog.Handler {
	h.Handler = h.Handler.WithGroup(name)
	return h
}
