package observe

import (
	"context"
	"log/slog"
	"slices"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// Handler returns a handler that adds the session and the user of the context to each line without them, and passes it to h.
// So a line that a store logs with its context shows the session that caused it.
//
// To lines with an error under the key "err" it adds the explanation of explain; nil = none.
func Handler(h slog.Handler, explain Explainer) slog.Handler {
	return sessionHandler{Handler: h, explain: explain}
}

// An Explainer returns the text of an error for the log, the reason in plain words, and advice. A reason or
// advice that is not known is empty.
type Explainer func(err error) (text, reason, advice string)

// addTo returns the attributes of a line with the explanation of its error. Advice that the line has already stays.
func (explain Explainer) addTo(attrs []slog.Attr) []slog.Attr {
	i := slices.IndexFunc(attrs, func(a slog.Attr) bool { return a.Key == "err" })
	if explain == nil || i < 0 {
		return attrs
	}
	err, ok := attrs[i].Value.Any().(error)
	if !ok {
		return attrs
	}
	text, reason, advice := explain(err)
	attrs = slices.Clone(attrs)
	attrs[i] = slog.String("err", text)
	if reason != "" {
		attrs = append(attrs, slog.String("reason", reason))
	}
	if advice != "" && !slices.ContainsFunc(attrs, func(a slog.Attr) bool { return a.Key == "advice" }) {
		attrs = append(attrs, slog.String("advice", advice))
	}
	return attrs
}

type sessionHandler struct {
	slog.Handler
	explain       Explainer
	session, user bool // the key is set already, at first by WithAttrs
}

// Handle implements slog.Handler.
func (h sessionHandler) Handle(ctx context.Context, r slog.Record) error {
	var attrs []slog.Attr
	r.Attrs(func(a slog.Attr) bool {
		h.seen(a)
		attrs = append(attrs, a)
		return true
	})
	r = slog.NewRecord(r.Time, r.Level, r.Message, r.PC) // other handlers may use the old one too
	r.AddAttrs(h.explain.addTo(attrs)...)
	info, ok := proxy.SessionFrom(ctx)
	if !ok {
		return h.Handler.Handle(ctx, r)
	}
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
