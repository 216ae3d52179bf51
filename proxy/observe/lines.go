package observe

import (
	"log/slog"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// lineOf makes a line of an event.
func lineOf(e proxy.Event) line {
	switch e := e.(type) {
	case event.SessionStart:
		return info("session begins").with(slog.Bool("implicit", e.TLS))
	case event.SessionEnd:
		return info("session ends").with(slog.Float64("seconds", e.Duration.Seconds())).failed(e.Err)
	case event.SessionRefused:
		return warning("session refused").with(slog.Int("code", e.Code)).failed(e.Err)
	case event.ClientSoftware:
		return debug("client").with(slog.String("name", e.Name))
	case event.Panic:
		return problem("session panics").with(slog.String("where", e.Where)).failed(e.Err)
	case event.LoginOK:
		return info("login").with(slog.String("method", string(e.Method)))
	case event.LoginRefused:
		return warning("login refused").login(e.User, e.Method).with(slog.Int("code", e.Code)).failed(e.Err)
	case event.LoginUndecided:
		return problem("login undecided").login(e.User, e.Method).with(slog.Int("code", e.Code)).failed(e.Err)
	case event.CertificateInsufficient:
		return debug("certificate alone does not log in").login(e.User, proxy.ByCertificate).failed(e.Err)
	}
	return lineOfCommand(e)
}

// lineOfCommand makes a line of an event of a command.
func lineOfCommand(e proxy.Event) line {
	switch e := e.(type) {
	case event.Command:
		return debug("command").command(e.Command, e.Name)
	case event.CommandFailed:
		return line{level: Level(e.Cause), message: "command failed"}.command(e.Command, e.Name).with(slog.Int("code", e.Code)).
			caused(e.Cause).failed(e.Err)
	case event.TransferEnd:
		return transferLine(e)
	case event.FileDelete:
		return info("delete").with(slog.String("name", e.Name))
	case event.Rename:
		return info("rename").with(slog.String("name", e.Name), slog.String("to", e.To))
	case event.SetTime:
		return info("set time").with(slog.String("name", e.Name), slog.Time("mtime", e.Time))
	case event.Mkdir:
		return info("mkdir").with(slog.String("name", e.Name))
	case event.Rmdir:
		return info("rmdir").with(slog.String("name", e.Name))
	}
	return lineOfConnection(e)
}

// transferLine makes a line of the end of a transfer: there is one for each at level info.
func transferLine(e event.TransferEnd) line {
	l := line{level: max(Level(e.Cause), slog.LevelInfo), message: "transfer"}.command(e.Command, e.Name).
		with(slog.String("direction", string(e.Direction)), slog.Int64("bytes", e.Bytes))
	if e.Offset != 0 {
		l = l.with(slog.Int64("offset", e.Offset))
	}
	return l.with(slog.Float64("seconds", e.Duration.Seconds()), slog.Int("code", e.Code)).caused(e.Cause).failed(e.Err)
}

// lineOfConnection makes a line of an event of a connection. An event that is not known here is not lost.
func lineOfConnection(e proxy.Event) line {
	switch e := e.(type) {
	case event.AcceptFailed:
		return warning("cannot accept a connection, retrying").with(slog.String("address", e.Address)).failed(e.Err)
	case event.TLSHandshake:
		return info("TLS").with(slog.String("version", e.Version), slog.String("cipher", e.Cipher))
	case event.TLSLegacy:
		return warning("legacy TLS").with(slog.String("version", e.Version), slog.String("cipher", e.Cipher))
	case event.DataOpen:
		if e.TLS == "" {
			return debug("data connection").with(slog.String("mode", e.Mode))
		}
		return debug("TLS on the data connection").with(slog.String("mode", e.Mode), slog.String("version", e.TLS), slog.Bool("resumed", e.Resumed))
	case event.PassiveExhausted:
		return warning("no passive port").with(slog.Int("code", e.Code)).failed(e.Err)
	case event.PassiveUnresolved:
		return problem("no passive address").with(slog.Int("code", e.Code)).failed(e.Err)
	}
	return info(e.Kind()).with(slog.Any("details", e))
}
