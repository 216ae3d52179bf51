// Package observe has observers of the protocols' events: for now the log.
//
// [Log] makes a line of each event, with fixed names and keys, which docs/operation.md lists. [Handler] adds the session and
// the user to the lines of other packages, such as those of a store.
package observe

import (
	"context"
	"log/slog"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// All returns an Observer that tells all of these of each event, in their order.
func All(observers ...proxy.Observer) proxy.Observer { return all(observers) }

type all []proxy.Observer

// Observe implements proxy.Observer.
func (a all) Observe(ctx context.Context, e proxy.Event) {
	for _, o := range a {
		o.Observe(ctx, e)
	}
}

// Log returns an Observer that writes a line for each event to log. The lines say themselves whose session they are of: a Handler
// is not needed for them, and would make the stack of each session deeper.
func Log(log *slog.Logger) proxy.Observer {
	if h, ok := log.Handler().(sessionHandler); ok {
		log = slog.New(h.Handler)
	}
	return logObserver{log}
}

type logObserver struct{ log *slog.Logger }

// Observe implements proxy.Observer.
func (o logObserver) Observe(ctx context.Context, e proxy.Event) {
	l := lineOf(e)
	if !o.log.Enabled(ctx, l.level) {
		return
	}
	attrs := []slog.Attr{slog.String("event", e.Kind())}
	if info, ok := proxy.SessionFrom(ctx); ok {
		attrs = append(attrs, slog.String("session", info.ID), slog.String("protocol", info.Protocol))
		if info.Client.IsValid() {
			attrs = append(attrs, slog.String("client", info.Client.Addr().String()), slog.String("peer", info.Client.String()))
		}
		if info.User != "" {
			attrs = append(attrs, slog.String("user", info.User))
		}
	}
	o.log.LogAttrs(ctx, l.level, l.message, append(attrs, l.attrs...)...)
}

// Level returns the level at which a failure is logged.
func Level(c event.Cause) slog.Level {
	switch c {
	case event.CauseRequest:
		return slog.LevelDebug
	case event.CauseServer:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// A line is what an event says in the log, besides its session.
type line struct {
	level   slog.Level
	message string
	attrs   []slog.Attr
}

func debug(message string) line   { return line{level: slog.LevelDebug, message: message} }
func info(message string) line    { return line{level: slog.LevelInfo, message: message} }
func warning(message string) line { return line{level: slog.LevelWarn, message: message} }
func problem(message string) line { return line{level: slog.LevelError, message: message} }

// with adds attributes, but for empty texts.
func (l line) with(attrs ...slog.Attr) line {
	for _, a := range attrs {
		if a.Value.Kind() != slog.KindString || a.Value.String() != "" {
			l.attrs = append(l.attrs, a)
		}
	}
	return l
}

// failed adds an error, if there is one.
func (l line) failed(err error) line {
	if err == nil {
		return l
	}
	return l.with(slog.Any("err", err))
}

// caused adds the cause of a failure, if it is one.
func (l line) caused(c event.Cause) line {
	if c == event.CauseNone {
		return l
	}
	return l.with(slog.String("cause", c.String()))
}

func (l line) command(command, name string) line {
	return l.with(slog.String("command", command), slog.String("name", name))
}

func (l line) login(user string, method proxy.LoginMethod) line {
	return l.with(slog.String("user", user), slog.String("method", string(method)))
}
