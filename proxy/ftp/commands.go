package ftp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/access"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// A command is a row of the table. FEAT and HELP are made from it.
type command struct {
	run  func(s *session, ctx context.Context, arg string) error // nil = success, with the reply that ok has set
	need need
	arg  argKind
	help string // argument, for HELP
	feat string // line in FEAT; "" = none

	access access.Needs // permissions of the account
	sets   access.Needs // those of the form that sets a time; zero = there is none
}

// need lists what a command requires.
type need int

const (
	login    need = 1 << iota // a login
	argument                  // an argument
	storage                   // calls the storage and moves no data: ABOR and loss of the client cancel it
)

// argKind is the kind of an argument, which decides how its blanks are handled.
type argKind int

const (
	wordsArg  argKind = iota // words separated by blanks, or none
	nameArg                  // a name, perhaps after a time or options: blanks are part of it
	secretArg                // a user name or password: bytes are not changed
)

// commands are all commands by verb. The table is never changed.
var commands = withHelp(map[string]command{
	// Access control, RFC 959 section 4.1.1.
	"USER": {run: (*session).cmdUser, need: argument, arg: secretArg, help: "name"},
	"PASS": {run: (*session).cmdPass, arg: secretArg, help: "password"},
	"ACCT": {run: (*session).cmdAcct, need: login, arg: secretArg, help: "account"},
	"REIN": {run: (*session).cmdRein},
	"QUIT": {run: (*session).cmdQuit},
	"CWD":  {run: (*session).cmdCwd, need: login | argument | storage, arg: nameArg, help: "directory"},
	"CDUP": {run: (*session).cmdCdup, need: login},
	"SMNT": {run: (*session).cmdSmnt, need: login, arg: nameArg, help: "directory"},

	// Security, RFC 2228 and 4217.
	"AUTH": {run: (*session).cmdAuth, need: argument, help: "TLS"},
	"PBSZ": {run: (*session).cmdPbsz, need: argument, help: "0"},
	"PROT": {run: (*session).cmdProt, need: argument, help: "P | C"},
	"CCC":  {run: (*session).cmdCcc},

	// Transfer parameters, section 4.1.2.
	"TYPE": {run: (*session).cmdType, need: login | argument, help: "A | I | L 8"},
	"STRU": {run: (*session).cmdStru, need: login | argument, help: "F"},
	"MODE": {run: (*session).cmdMode, need: login | argument, help: "S | Z", feat: "MODE Z"},
	"PASV": {run: (*session).cmdPasv, need: login},
	"PORT": {run: (*session).cmdPort, need: login | argument, help: "h1,h2,h3,h4,p1,p2"},
	"EPSV": {run: (*session).cmdEpsv, need: login, help: "[1 | 2 | ALL]", feat: "EPSV"},
	"EPRT": {run: (*session).cmdEprt, need: login | argument, help: "|family|address|port|", feat: "EPRT"},

	// Service, section 4.1.3, and RFC 3659.
	"RETR": {run: (*session).cmdRetr, need: login | argument, arg: nameArg, help: "file", access: access.Reads},
	"STOR": {run: (*session).cmdStor, need: login | argument, arg: nameArg, help: "file", access: access.Stores},
	"STOU": {run: (*session).cmdStou, need: login, arg: nameArg, help: "[name]", access: access.Writes},
	"APPE": {run: (*session).cmdAppe, need: login | argument, arg: nameArg, help: "file", access: access.Stores},
	"ALLO": {run: (*session).cmdAllo, need: login | argument, help: "bytes"},
	"REST": {run: (*session).cmdRest, need: login | argument, help: "offset", feat: "REST STREAM"},
	"ABOR": {run: (*session).cmdAbor, need: login},
	"DELE": {run: (*session).cmdDele, need: login | argument | storage, arg: nameArg, help: "file", access: access.Deletes},
	"RNFR": {run: (*session).cmdRnfr, need: login | argument | storage, arg: nameArg, help: "name", access: access.Renames},
	"RNTO": {run: (*session).cmdRnto, need: login | argument | storage, arg: nameArg, help: "name", access: access.RenamesTo},
	"MKD":  {run: (*session).cmdMkd, need: login | argument | storage, arg: nameArg, help: "directory", access: access.Makes},
	"RMD":  {run: (*session).cmdRmd, need: login | argument | storage, arg: nameArg, help: "directory", access: access.Deletes},
	"PWD":  {run: (*session).cmdPwd, need: login},
	"LIST": {run: (*session).cmdList, need: login, arg: nameArg, help: "[path]", access: access.Lists},
	"NLST": {run: (*session).cmdNlst, need: login, arg: nameArg, help: "[path]", access: access.Lists},
	"MLSD": {run: (*session).cmdMlsd, need: login, arg: nameArg, help: "[directory]", access: access.Lists},
	"MLST": {run: (*session).cmdMlst, need: login | storage, arg: nameArg, help: "[path]", access: access.Stats},
	"SIZE": {run: (*session).cmdSize, need: login | argument | storage, arg: nameArg, help: "file", feat: "SIZE", access: access.Stats},
	"MDTM": {run: (*session).cmdMdtm, need: login | argument | storage, arg: nameArg, help: "[YYYYMMDDHHMMSS] file", feat: "MDTM", access: access.Stats, sets: access.SetsTime},

	"MFMT": {run: (*session).cmdMfmt, need: login | argument | storage, arg: nameArg, help: "YYYYMMDDHHMMSS file", feat: "MFMT", access: access.SetsTime},

	// Checksums.
	"HASH":    {run: (*session).cmdHash, need: login | argument | storage, arg: nameArg, help: "file", access: access.Reads},
	"RANG":    {run: (*session).cmdRang, need: login | argument, help: "first last"},
	"XCRC":    {run: cmdSum("CRC32"), need: login | argument | storage, arg: nameArg, help: "file [start end]", feat: "XCRC", access: access.Reads},
	"XMD5":    {run: cmdSum("MD5"), need: login | argument | storage, arg: nameArg, help: "file [start end]", feat: "XMD5", access: access.Reads},
	"XSHA1":   {run: cmdSum("SHA-1"), need: login | argument | storage, arg: nameArg, help: "file [start end]", feat: "XSHA1", access: access.Reads},
	"XSHA256": {run: cmdSum("SHA-256"), need: login | argument | storage, arg: nameArg, help: "file [start end]", feat: "XSHA256", access: access.Reads},
	"XSHA512": {run: cmdSum("SHA-512"), need: login | argument | storage, arg: nameArg, help: "file [start end]", feat: "XSHA512", access: access.Reads},

	// Information.
	"HOST": {run: (*session).cmdHost, need: argument, help: "name", feat: "HOST"},
	"CLNT": {run: (*session).cmdClnt, need: argument, help: "program", feat: "CLNT"},
	"AVBL": {run: (*session).cmdAvbl, need: login, arg: nameArg, help: "[directory]", feat: "AVBL"},
	"SYST": {run: (*session).cmdSyst},
	"STAT": {run: (*session).cmdStat, need: login | storage, arg: nameArg, help: "[path]", access: access.Lists},
	"NOOP": {run: (*session).cmdNoop},
	"OPTS": {run: (*session).cmdOpts, need: argument, help: "command [options]"},
	"SITE": {run: (*session).cmdSite, need: login | argument | storage, arg: nameArg, help: "command"},
})

// withHelp adds FEAT and HELP, which read the table, and the X forms of RFC 775.
func withHelp(all map[string]command) map[string]command {
	all["FEAT"] = command{run: func(s *session, _ context.Context, _ string) error { return s.ok(211, s.featText(all)) }}
	all["HELP"] = command{run: func(s *session, _ context.Context, arg string) error { return s.replyHelp(all, arg) }, help: "[command]"}
	for x, verb := range map[string]string{"XCUP": "CDUP", "XCWD": "CWD", "XMKD": "MKD", "XPWD": "PWD", "XRMD": "RMD"} {
		all[x] = all[verb]
	}
	return all
}

// split cuts a command line into its verb, in upper case, and its argument.
func split(text string) (verb, arg string) {
	verb, arg, _ = strings.Cut(text, " ")
	return strings.ToUpper(verb), arg
}

// execute runs a command line and returns its final reply.
func (s *session) execute(ctx context.Context, l line) reply {
	s.dropRefused()
	if err := s.refreshAccount(); err != nil {
		return replyTo(err)
	}
	verb, arg := split(l.text)
	arg = s.decodeArg(verb, arg)
	if verb != "RNTO" { // RNTO must follow RNFR directly (RFC 959, section 4.1.3)
		s.renameFrom = ""
	}
	arg = commands[verb].trim(arg)
	c, err := s.lookup(l, verb, arg)
	if err != nil {
		return s.refuse(ctx, verb, arg, err)
	}
	s.entry.SetCommand(verb)
	defer s.entry.SetCommand("")
	s.observe(ctx, event.Command{Command: verb, Name: redact(verb, arg)})
	err = s.run(ctx, c, arg)
	if err == nil {
		return cmp.Or(take(&s.result), reply{200, "OK."})
	}
	if !errors.As(err, new(observedError)) {
		s.reportFailure(ctx, verb, arg, err)
	}
	return replyTo(err)
}

// refuse reports a command that lookup has refused, and returns the reply. A command that is not in the table may be a password,
// so it is reported without its argument, and only by a client that is logged in.
func (s *session) refuse(ctx context.Context, verb, arg string, err error) reply {
	if _, known := commands[verb]; !known {
		if arg = ""; s.store == nil || len(verb) > maxVerb || !isWord(verb) {
			verb = ""
		}
	}
	s.reportFailure(ctx, verb, arg, err)
	return replyTo(err)
}

// maxVerb is the length of a command verb that RFC 959 allows.
const maxVerb = 4

// run runs a command; one that calls the storage is interruptible.
func (s *session) run(ctx context.Context, c command, arg string) error {
	if c.need&storage == 0 {
		return c.run(s, ctx, arg)
	}
	return s.interruptible(ctx, func(ctx context.Context) error { return c.run(s, ctx, arg) })
}

// ok sets the reply to the running command, and returns nil. A handler that succeeds returns ok(code, text).
func (s *session) ok(code int, text string) error {
	s.result = reply{code, text}
	return nil
}

// lookup returns the command, or a reply that refuses it.
func (s *session) lookup(l line, verb, arg string) (command, error) {
	c, known := commands[verb]
	switch {
	case l.tooLong:
		return command{}, reply{500, fmt.Sprintf("Command line too long, the limit is %d bytes.", s.queue.maxLine())}
	case !known && !isWord(verb):
		return command{}, reply{500, "Syntax error, command unrecognized."}
	case !known:
		return command{}, reply{502, "Command not implemented."}
	case c.need&login != 0 && s.store == nil:
		return command{}, reply{530, "Please log in with USER and PASS."}
	case c.need&argument != 0 && arg == "":
		return command{}, reply{501, verb + " requires an argument: " + c.help + "."}
	case s.rangRefused(verb):
		return command{}, reply{504, "RANG applies to HASH only, use REST."}
	}
	return c, nil
}

// trim removes insignificant blanks: all but one between words, and an optional name of blanks alone.
func (c command) trim(arg string) string {
	switch {
	case c.arg == wordsArg:
		return strings.Join(strings.FieldsFunc(arg, isBlank), " ")
	case c.arg == nameArg && c.need&argument == 0 && trimBlanks(arg) == "":
		return ""
	}
	return arg
}

func isBlank(r rune) bool { return r == ' ' || r == '\t' }

// trimBlanks removes blanks from both ends.
func trimBlanks(text string) string { return strings.TrimFunc(text, isBlank) }

// trimLeftBlanks removes leading blanks.
func trimLeftBlanks(text string) string { return strings.TrimLeftFunc(text, isBlank) }

func isWord(verb string) bool {
	return verb != "" && strings.Trim(verb, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// redact removes passwords from an argument for the log, and shortens user names.
func redact(verb, arg string) string {
	switch verb {
	case "PASS", "ACCT", "SITE":
		return ""
	case "USER":
		return proxy.ClipUser(arg)
	}
	return arg
}

// reportFailure reports a failed command.
func (s *session) reportFailure(ctx context.Context, verb, arg string, err error) {
	e := event.CommandFailed{Command: verb, Name: redact(verb, arg), Code: replyTo(err).code, Cause: causeOf(err), Err: err}
	_, known := commands[verb]
	s.observe(ctx, s.refusals.Count(e, known))
}
