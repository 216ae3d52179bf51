package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/names"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/scp"
)

// maxLoggedCommand limits the bytes of a refused command in the log.
const maxLoggedCommand = 256

// exec runs a command line, if it is one of SCP.
func (s *channelServer) exec(line string) (status uint32) {
	a, err := s.refresh()
	if err != nil {
		s.endWith(err)
		return 1
	}
	text, ok := codec(a).Decode(line)
	if !ok {
		err = names.ErrCharset
	}
	var command scp.Command
	if err == nil {
		command, err = scp.Parse(text)
	}
	if err != nil {
		shown := line[:min(len(line), maxLoggedCommand)]
		e := event.CommandFailed{Command: "exec", Name: shown, Code: 1, Cause: event.CauseRequest, Err: err}
		s.observe(s.hard, s.refusals.Count(e, true))
		said := served
		if !errors.Is(err, scp.ErrNotSCP) {
			said = "scp: " + err.Error()
		}
		return s.say(s.channel.Stderr(), said)
	}
	return s.serve(func(ctx context.Context) error {
		return s.connection.serveSCP(ctx, s.channel, s.channel.tell, command)
	})
}

// An scpSession serves a command of SCP. Its uploads and listings are those of SFTP.
type scpSession struct {
	*subsystem
	command scp.Command
	name    string // of the command, for the log
	peer    *scp.Reader
	out     io.Writer
	stderr  func(text string)
	expects bool        // the client must send something: data or an answer
	codec   names.Codec // of the client
	failed  bool        // something was not copied
}

// Errors of SCP.
var (
	errIncomplete = errors.New("not everything was copied")

	// errSenderFailed: the client could not read its file. It then fills up the data with zeros.
	errSenderFailed = fmt.Errorf("the client could not read its file: %w", proxy.ErrDiscard)
)

// serveSCP serves a command until the client has ended. It returns nil if all was copied.
func (c *connection) serveSCP(ctx context.Context, channel io.ReadWriteCloser, stderr func(text string), command scp.Command) error {
	s := &scpSession{subsystem: &subsystem{connection: c, ctx: ctx}, command: command, out: channel, stderr: stderr, expects: !command.Receive}
	s.source = newPacketSource(s.subsystem, channel, func() bool { return s.expects })
	defer s.source.stop()
	s.peer = scp.NewReader(s.source)
	var err error
	if command.Receive {
		s.name = "scp -t"
		err = s.receive()
	} else {
		s.name = "scp -f"
		err = s.send()
	}
	switch {
	case err == nil && s.failed:
		return errIncomplete
	case errors.Is(err, scp.ErrProtocol):
		return s.fail("", dueTo{status{packet.Failure, err.Error() + "."}, err})
	}
	return err
}

// next returns the account as it is now, for the next file or directory.
func (s *scpSession) next() (proxy.Account, error) {
	a, err := s.refresh()
	if err != nil {
		return a, err
	}
	s.codec = codec(a)
	return a, nil
}

// mayBegin returns why no file may be begun.
func (s *scpSession) mayBegin() error {
	if s.drain.Err() != nil {
		return failure(farewell(s.drainCause()))
	}
	return nil
}

// wait declares that the client waits for the store, so that the session is not idle, until done is called.
func (s *scpSession) wait() (done func()) {
	s.pending.Add(1)
	return func() {
		s.socket.progress()
		s.pending.Add(-1)
	}
}

// resolve returns the name of a Store for a path of the command, which has been decoded.
func (s *scpSession) resolve(a proxy.Account, p scp.Path) (string, error) {
	text := p.Text
	if p.Home {
		text = expandTilde(a, text)
	}
	return names.Resolve(home(a), names.Codec{Backslash: a.Compat.Backslash}.DecodePath(text))
}

// ok answers a message of the client.
func (s *scpSession) ok() error {
	_, err := s.out.Write(scp.AppendOK(nil))
	return err
}

// refuse tells the client and the log why a file or directory is not copied. The session goes on unless the client cannot be told.
func (s *scpSession) refuse(name string, err error) error {
	return s.tell(name, err, false)
}

// fail is refuse for an error that ends the session.
func (s *scpSession) fail(name string, err error) error {
	s.tell(name, err, true)
	return err
}

func (s *scpSession) tell(name string, err error, fatal bool) error {
	s.failed = true
	result := statusOf(err)
	if !errors.As(err, new(observedError)) {
		e := event.CommandFailed{Command: s.name, Name: name, Code: int(result.code), Cause: causeOf(err), Err: err}
		s.observe(s.ctx, s.refusals.Count(e, true))
	}
	text := result.text
	if name != "" {
		text = s.codec.EncodeText(name) + ": " + text
	}
	_, err = s.out.Write(scp.AppendRefusal(nil, scp.Refusal{Fatal: fatal, Text: text}))
	return err
}

// refused returns nil if a client refuses something and goes on; the session has failed then.
func (s *scpSession) refused(name string, err error) error {
	refusal, ok := errors.AsType[*scp.Refusal](err)
	if !ok {
		return err
	}
	s.failed = true
	e := event.CommandFailed{Command: s.name, Name: name, Code: 1, Cause: event.CauseClient, Err: err}
	s.observe(s.ctx, e)
	if refusal.Fatal {
		return err
	}
	return nil
}
