// Package observe has observers of the protocols' events.
//
// [Log] writes a line for each event, with the fixed names and keys that docs/logs.md lists. [Handler] adds the session
// and the user to the lines of other packages, as those of a store. [Events] sends events to a web hook.
package observe

import (
	"context"
	"log/slog"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// All returns an Observer that passes each event to all of these, in this order.
func All(observers ...proxy.Observer) proxy.Observer { return all(observers) }

type all []proxy.Observer

// Observe implements proxy.Observer.
func (a all) Observe(ctx context.Context, e proxy.Event) {
	for _, o := range a {
		o.Observe(ctx, e)
	}
}

// Log returns an Observer that writes a line for each event to log. The lines contain the session and the user. If log has
// a [Handler], Log bypasses it but for its Explainer: it would only make the stack of each session deeper.
func Log(log *slog.Logger) proxy.Observer {
	if h, ok := log.Handler().(sessionHandler); ok {
		return logObserver{slog.New(h.Handler), h.explain}
	}
	return logObserver{log, nil}
}

type logObserver struct {
	log     *slog.Logger
	explain Explainer
}

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
	o.log.LogAttrs(ctx, l.level, l.message, o.explain.addTo(append(attrs, l.attrs...))...)
}

// Level returns the level at which a failure with this cause is logged.
func Level(c event.Cause) slog.Level {
	if c == event.CauseServer {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// A line is the log line for an event, without its name and session.
type line struct {
	level   slog.Level
	message string
	attrs   []slog.Attr
}

func debug(message string) line   { return line{level: slog.LevelDebug, message: message} }
func info(message string) line    { return line{level: slog.LevelInfo, message: message} }
func warning(message string) line { return line{level: slog.LevelWarn, message: message} }
func problem(message string) line { return line{level: slog.LevelError, message: message} }

// with adds attributes, except empty strings.
func (l line) with(attrs ...slog.Attr) line {
	for _, a := range attrs {
		if a.Value.Kind() != slog.KindString || a.Value.String() != "" {
			l.attrs = append(l.attrs, a)
		}
	}
	return l
}

// withErr adds an error, unless it is nil.
func (l line) withErr(err error) line {
	if err == nil {
		return l
	}
	return l.with(slog.Any("err", err))
}

// withCause adds the cause, unless it is CauseNone.
func (l line) withCause(c event.Cause) line {
	if c == event.CauseNone {
		return l
	}
	return l.with(slog.String("cause", c.String()))
}

func (l line) withCommand(command, name string) line {
	return l.with(slog.String("command", command), slog.String("name", name))
}

func (l line) withLogin(user string, method proxy.LoginMethod) line {
	return l.with(slog.String("user", user), slog.String("method", string(method)))
}
