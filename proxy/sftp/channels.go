package sftp

import (
	"context"
	"errors"
	"io"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// maxChannels limits the channels of a connection that are open at a time.
const maxChannels = 10

// served is what a client is told that asks for a shell or a command.
const served = "This server serves files by SFTP and SCP, it has no shell and runs no commands."

// serveChannels serves the channels of a connection until package ssh ends it, and waits for them.
func (c *connection) serveChannels(channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
	var running sync.WaitGroup
	defer running.Wait()
	defer c.socket.end(errClosed) // what runs cannot answer any more
	defer receiveAll(channels)
	defer c.recoverPanic("channels")
	running.Go(func() {
		defer receiveAll(requests)
		defer c.recoverPanic("global requests")
		c.answerGlobal(requests)
	})
	open := make(chan struct{}, maxChannels)
	for offered := range channels {
		if reason, text := c.refusal(offered); reason != 0 {
			offered.Reject(reason, text)
			continue
		}
		select {
		case open <- struct{}{}:
		default:
			offered.Reject(ssh.ResourceShortage, "too many channels")
			continue
		}
		running.Go(func() {
			defer func() { <-open }()
			c.serveChannel(offered)
		})
	}
}

// receiveAll receives from a channel of package ssh until that is closed: package ssh waits until its channels are read. After a panic
// nobody else reads them.
func receiveAll[T any](c <-chan T) {
	for range c {
	}
}

// refusal returns the reason to refuse a channel, or 0.
func (c *connection) refusal(offered ssh.NewChannel) (ssh.RejectionReason, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case offered.ChannelType() != "session":
		return ssh.Prohibited, "only sessions are served"
	case c.last:
		return ssh.Prohibited, "no more sessions were requested"
	case c.drain.Err() != nil:
		return ssh.Prohibited, "the server is shutting down"
	}
	return 0, ""
}

// answerGlobal answers requests that are not of a channel. A refusal is all that clients want of keepalive@openssh.com.
func (c *connection) answerGlobal(requests <-chan *ssh.Request) {
	for r := range requests {
		if r.Type == "no-more-sessions@openssh.com" {
			c.mu.Lock()
			c.last = true
			c.mu.Unlock()
			r.Reply(true, nil)
			continue
		}
		r.Reply(false, nil)
	}
}

// serveChannel serves a channel until it is closed on both sides.
func (c *connection) serveChannel(offered ssh.NewChannel) {
	defer c.recoverPanic("channel")
	accepted, requests, err := offered.Accept()
	if err != nil {
		return
	}
	channel := c.unread.newChannel(accepted, c.socket)
	defer c.unread.remove(channel)
	var running sync.WaitGroup
	defer running.Wait()
	defer receiveAll(requests)
	defer c.recoverPanic("channel")
	running.Go(func() {
		defer c.recoverPanic("standard error")
		discard(channel.Stderr())
	})
	s := &channelServer{connection: c, channel: channel}
	for r := range requests {
		work, ok := s.request(r)
		r.Reply(ok, nil)
		if work != nil {
			running.Go(func() {
				defer c.recoverPanic("channel")
				s.run(work)
			})
		}
	}
}

// run does the work of a channel, and closes it. The exit status precedes the end of the output: a client that has ended its own may
// answer that by closing the channel, on which package ssh sends nothing more.
func (s *channelServer) run(work func() (status uint32)) {
	status := work()
	s.channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
	s.channel.CloseWrite()
	s.channel.Close()
	discard(s.channel)
}

// discard reads to the end of what a client sends.
func discard(r io.Reader) {
	var b [512]byte
	for {
		if _, err := r.Read(b[:]); err != nil {
			return
		}
	}
}

// A channelServer answers the requests of a channel.
type channelServer struct {
	*connection
	channel *channel
	pty     bool // was granted
	busy    bool // a channel has one shell, command or subsystem: RFC 4254, section 6.5
}

// request decides about a request. work is what runs after the answer, and returns the exit status of the channel; nil = nothing.
func (s *channelServer) request(r *ssh.Request) (work func() (status uint32), ok bool) {
	switch r.Type {
	case "env", "signal", "window-change":
		return nil, true
	case "pty-req":
		s.pty = true
		return nil, true
	case "shell", "exec", "subsystem":
		if s.busy {
			return nil, false
		}
	default: // x11-req, auth-agent-req@openssh.com and others
		return nil, false
	}
	s.busy = true
	switch {
	case r.Type == "shell":
		return func() uint32 { return s.say(s.channel, served) }, true
	case r.Type == "exec":
		var command struct{ Line string }
		if ssh.Unmarshal(r.Payload, &command) == nil {
			return func() uint32 { return s.exec(command.Line) }, true
		}
	case string(r.Payload) == string(ssh.Marshal(struct{ Name string }{"sftp"})):
		return s.serveSubsystem, true
	}
	s.busy = false
	return nil, false
}

// say tells the client why its request does nothing.
func (s *channelServer) say(w io.Writer, text string) (status uint32) {
	end := "\n"
	if s.pty {
		end = "\r\n"
	}
	io.WriteString(w, text+end)
	return 1
}

// serveSubsystem serves SFTP on the channel.
func (s *channelServer) serveSubsystem() (status uint32) {
	if s.srv.subsystem != nil {
		return s.serve(func(ctx context.Context) error { return s.srv.subsystem(s.connection, ctx, s.channel) })
	}
	return s.serve(func(ctx context.Context) error { return s.connection.serveSFTP(ctx, s.channel) })
}

// serve runs a protocol on the channel, whose error is exit status 1. If the session ends meanwhile, the client is told why.
func (s *channelServer) serve(protocol func(ctx context.Context) error) (status uint32) {
	s.mu.Lock()
	s.channels[s.channel] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.channels, s.channel)
		s.mu.Unlock()
		s.channel.stopTelling()
	}()
	ctx, cancel := context.WithCancel(s.hard)
	defer cancel()
	switch err := protocol(ctx); {
	case err == nil:
		return 0
	case errors.Is(err, proxy.ErrUserRemoved):
		s.endWith(err)
	}
	return 1
}
