package observe

import (
	"errors"
	"log/slog"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// lineOf returns the line for an event. Three functions, because one with all cases would need a larger stack in each session.
func lineOf(e proxy.Event) line {
	if l, ok := lineOfSession(e); ok {
		return l
	}
	if l, ok := lineOfCommand(e); ok {
		return l
	}
	return lineOfConnection(e)
}

// lineOfSession returns the line for an event of a session or a login.
func lineOfSession(e proxy.Event) (l line, ok bool) {
	switch e := e.(type) {
	case event.SessionStart:
		return probe(e.Probe, "session begins").with(slog.Bool("implicit", e.TLS)), true
	case event.SessionEnd:
		return probe(e.Probe, "session ends").with(slog.Float64("seconds", e.Duration.Seconds())).withErr(e.Err), true
	case event.SessionRefused:
		return unlessBanned(e.Err, "session refused").with(slog.Int("code", e.Code)).withErr(e.Err), true
	case event.ClientSoftware:
		return debug("client").with(slog.String("name", e.Name)), true
	case event.Panic:
		return problem("session panics").with(slog.String("where", e.Where)).withErr(e.Err), true
	case event.LoginOK:
		l := info("login").with(slog.String("method", string(e.Method)))
		if e.Key != "" {
			l = l.with(slog.String("key", e.Key))
		}
		if e.Certificate != "" {
			l = l.with(slog.String("certificate", e.Certificate))
		}
		return l, true
	case event.LoginRefused:
		return unlessBanned(e.Err, "login refused").withLogin(e.User, e.Method).with(slog.Int("code", e.Code)).withErr(e.Err), true
	case event.LoginUndecided:
		return problem("login undecided").withLogin(e.User, e.Method).with(slog.Int("code", e.Code)).withErr(e.Err), true
	case event.Banned:
		return warning("banned").with(slog.String("address", e.Address.String()), slog.String("user", e.User),
			slog.Float64("seconds", e.Duration.Seconds())).withErr(e.Err), true
	case event.CertificateInsufficient:
		return debug("certificate alone does not log in").withLogin(e.User, proxy.ByCertificate).withErr(e.Err), true
	default:
		return line{}, false
	}
}

// unlessBanned returns a warning, but a line at debug for a refusal because of a ban: a banned client may try for long, and the ban has
// a line of its own.
func unlessBanned(err error, message string) line {
	if errors.Is(err, proxy.ErrBanned) {
		return debug(message)
	}
	return warning(message)
}

// probe returns a line at debug for a session of a monitoring probe, and at info for others.
func probe(is bool, message string) line {
	if is {
		return debug(message)
	}
	return info(message)
}

// lineOfCommand returns the line for an event of a command or a change.
func lineOfCommand(e proxy.Event) (l line, ok bool) {
	switch e := e.(type) {
	case event.Command:
		return debug("command").withCommand(e.Command, e.Name), true
	case event.CommandFailed:
		return failureLine(e), true
	case event.TransferEnd:
		return transferLine(e), true
	case event.FileDelete:
		return info("delete").with(slog.String("name", e.Name)), true
	case event.Rename:
		return info("rename").with(slog.String("name", e.Name), slog.String("to", e.To)), true
	case event.SetTime:
		return info("set time").with(slog.String("name", e.Name), slog.Time("mtime", e.Time)), true
	case event.Mkdir:
		return info("mkdir").with(slog.String("name", e.Name)), true
	case event.Rmdir:
		return info("rmdir").with(slog.String("name", e.Name)), true
	default:
		return line{}, false
	}
}

// failureLine returns the line for a failed command. A client that asks for missing files again and again does not fill the log.
func failureLine(e event.CommandFailed) line {
	level := Level(e.Cause)
	if e.Frequent {
		level = slog.LevelDebug
	}
	return line{level: level, message: "command failed"}.withCommand(e.Command, e.Name).with(slog.Int("code", e.Code)).
		withCause(e.Cause).withErr(e.Err)
}

// transferLine returns the line for the end of a transfer.
func transferLine(e event.TransferEnd) line {
	l := line{level: Level(e.Cause), message: "transfer"}.withCommand(e.Command, e.Name).
		with(slog.String("direction", string(e.Direction)), slog.Int64("bytes", e.Bytes))
	if e.Offset != 0 {
		l = l.with(slog.Int64("offset", e.Offset))
	}
	return l.with(slog.Float64("seconds", e.Duration.Seconds()), slog.Int("code", e.Code)).withCause(e.Cause).withErr(e.Err)
}

// lineOfConnection returns the line for an event of a connection, or for an unknown event.
func lineOfConnection(e proxy.Event) line {
	switch e := e.(type) {
	case event.AcceptFailed:
		return warning("cannot accept a connection, retrying").with(slog.String("address", e.Address)).withErr(e.Err)
	case event.TLSHandshake:
		return info("TLS").with(slog.String("version", e.Version), slog.String("cipher", e.Cipher))
	case event.TLSLegacy:
		return warning("legacy TLS").with(slog.String("version", e.Version), slog.String("cipher", e.Cipher))
	case event.SSHHandshake:
		l := info("SSH").with(slog.String("kex", e.KeyExchange), slog.String("hostkey", e.HostKey), slog.String("cipher", e.Cipher))
		if e.MAC != "" {
			l = l.with(slog.String("mac", e.MAC))
		}
		return l
	case event.SSHLegacy:
		return warning("legacy SSH").with(slog.String("algorithms", e.Algorithms))
	case event.DataOpen:
		if e.TLS == "" {
			return debug("data connection").with(slog.String("mode", e.Mode))
		}
		return debug("TLS on the data connection").with(slog.String("mode", e.Mode), slog.String("version", e.TLS), slog.Bool("resumed", e.Resumed))
	case event.PassiveExhausted:
		return warning("no passive port").with(slog.Int("code", e.Code)).withErr(e.Err)
	case event.PassiveUnresolved:
		return problem("no passive address").with(slog.Int("code", e.Code)).withErr(e.Err)
	case event.EventsDelayed:
		return warning("events delayed, retrying").with(slog.Int("waiting", e.Waiting)).withErr(e.Err)
	case event.EventsDropped:
		return warning("events dropped").with(slog.Int("count", e.Count)).withErr(e.Err)
	}
	return info(e.Kind()).with(slog.Any("details", e))
}
