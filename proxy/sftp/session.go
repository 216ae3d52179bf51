package sftp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/passive"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// protocol is the protocol's name in the list of sessions and in the log.
const protocol = "sftp"

// Errors that end a session.
var (
	errLoginTimeout = errors.New("login timeout")
	errIdleTimeout  = errors.New("idle timeout")
	errShutdown     = errors.New("the server is shutting down")
	errInternal     = errors.New("internal error")
)

// session serves an SSH connection. An error or panic ends this session only.
func (srv *Server) session(drain, hard context.Context, conn net.Conn) {
	drain, leave := context.WithCancelCause(drain)
	defer leave(nil)
	c, info := srv.newConnection(drain, hard, conn)
	defer c.recoverPanic("session")
	defer conn.Close()
	defer c.socket.end(errClosed)
	var err error
	end := func(cause error) {
		leave(cause)
		timer := time.AfterFunc(srv.drainTimeout(), func() { c.socket.end(cause) })
		context.AfterFunc(c.ended, func() { timer.Stop() })
	}
	if c.entry, err = srv.sessions().Start(info, end); err != nil {
		c.refuse(err)
		return
	}
	defer c.entry.End()
	begin := time.Now()
	err = c.serve()
	probe := !c.announced.Load() && (err == errClientClosed || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE))
	c.announce(probe)
	c.observe(c.hard, event.SessionEnd{Duration: time.Since(begin), Err: err, Probe: probe})
	c.socket.hangUp()
}

func (srv *Server) newConnection(drain, hard context.Context, conn net.Conn) (*connection, proxy.SessionInfo) {
	info := proxy.SessionInfo{ID: proxy.NewSessionID(), Protocol: protocol, Client: passive.AddrPort(conn.RemoteAddr())}
	stored := proxy.WithSession(hard, info)
	hard, kill := context.WithCancelCause(stored)
	c := &connection{
		srv: srv, hard: hard, ended: hard, stored: stored, drain: drain, unread: newUnread(srv.budget()), channels: make(map[*channel]bool),
		socket: newSocket(conn, kill),
	}
	c.socket.unread, c.socket.onPanic = c.unread, func(v any) { c.reportPanic(hard, "connection", v) }
	c.socket.onData = func() { c.announce(false) }
	return c, info
}

// announce reports the start of the session once: when the client has sent something, or else at its end. A monitoring probe connects
// and leaves.
func (c *connection) announce(probe bool) {
	if !c.announced.Swap(true) {
		c.observe(c.hard, event.SessionStart{Probe: probe})
	}
}

// serve serves the connection until it ends. Its error is the reason, nil if the client quit.
func (c *connection) serve() (err error) {
	defer c.logOut()
	defer func() {
		if v := recover(); v != nil {
			c.reportPanic(c.hard, "session", v)
			err = errInternal
		}
	}()
	stop := context.AfterFunc(c.hard, func() { c.socket.end(context.Cause(c.hard)) })
	defer stop()
	conn, channels, requests, err := c.logIn()
	if err != nil {
		return err
	}
	c.watchIdle()
	stopDrain := context.AfterFunc(c.drain, c.endDrained)
	defer stopDrain()
	c.serveChannels(channels, requests)
	c.socket.queue.discard()
	return c.reason(conn.Wait())
}

// reason returns the error of SessionEnd after a login; err is that of package ssh.
func (c *connection) reason(err error) error {
	switch cause := c.socket.endCause(); {
	case cause == errClientClosed, cause == errClosed && strings.HasPrefix(err.Error(), "ssh: disconnect, reason 11:"): // by application
		return nil
	case cause == errClosed:
		return err
	default:
		return cause
	}
}

// watchIdle ends the session after the idle timeout.
func (c *connection) watchIdle() {
	timeout := cmp.Or(c.srv.IdleTimeout, 5*time.Minute)
	var timer *time.Timer
	ready := make(chan struct{})
	timer = time.AfterFunc(timeout, func() {
		defer c.recoverPanic("idle timeout")
		<-ready
		switch left := timeout - c.socket.idle(); {
		case c.pending.Load() > 0:
			timer.Reset(timeout)
		case left > 0:
			timer.Reset(left)
		default:
			c.endWith(errIdleTimeout)
		}
	})
	close(ready)
	context.AfterFunc(c.ended, func() { timer.Stop() })
}

// drainPoll is the time between looks whether a session that is drained is idle.
const drainPoll = 50 * time.Millisecond

// endDrained ends a session that is drained as soon as no file is open and no request runs.
func (c *connection) endDrained() {
	defer c.recoverPanic("drain")
	for c.handles.Load() > 0 || c.pending.Load() > 0 {
		select {
		case <-time.After(drainPoll):
		case <-c.hard.Done():
			return
		}
	}
	c.endWith(c.drainCause())
}

// drainCause returns why the session is drained.
func (c *connection) drainCause() error {
	switch cause := context.Cause(c.drain); {
	case errors.Is(cause, proxy.ErrSessionEnded), errors.Is(cause, proxy.ErrUserRemoved):
		return cause
	}
	return errShutdown
}

// farewell returns what a client is told when its session ends for a cause.
func farewell(cause error) string {
	switch {
	case errors.Is(cause, errIdleTimeout):
		return "Idle timeout, closing connection."
	case errors.Is(cause, proxy.ErrSessionEnded):
		return "Session ended by an administrator, closing connection."
	case errors.Is(cause, proxy.ErrUserRemoved):
		return "User was removed or disabled, closing connection."
	}
	return "Server is shutting down, closing connection."
}

// farewellTimeout limits the time to tell the client why its session ends.
const farewellTimeout = time.Second

// endWith ends the session, and tells the client why on the standard error of each channel: package ssh cannot disconnect with a
// reason.
func (c *connection) endWith(cause error) {
	var told sync.WaitGroup
	c.mu.Lock()
	for channel := range c.channels {
		told.Go(func() {
			defer c.recoverPanic("farewell")
			channel.tell(farewell(cause) + "\r\n")
		})
	}
	c.mu.Unlock()
	all := make(chan struct{})
	go func() {
		told.Wait()
		close(all)
	}()
	select {
	case <-all:
	case <-time.After(farewellTimeout):
	}
	c.socket.end(cause)
}

// logOut releases the account, if there is one.
func (c *connection) logOut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.account.Leave()
	c.account = proxy.Account{}
}

// recoverPanic must be deferred in each goroutine of a session. A panic then ends this session only.
func (c *connection) recoverPanic(where string) {
	if v := recover(); v != nil {
		c.reportPanic(c.hard, where, v)
		c.socket.end(errInternal)
	}
}

func (c *connection) reportPanic(ctx context.Context, where string, v any) {
	c.observe(ctx, event.Panic{Where: where, Err: fmt.Errorf("panic: %v\n%s", v, debug.Stack())})
}

// Reasons of SSH_MSG_DISCONNECT: RFC 4253, section 11.1.
const (
	reasonNotAllowed         = 1
	reasonTooManyConnections = 12
)

// maxRefusing limits the refused connections whose client is given time to read why.
const maxRefusing = 100

// refuse refuses a connection, with a disconnect message before the key exchange.
func (c *connection) refuse(err error) {
	code, text := reasonTooManyConnections, "Too many sessions, try again later."
	switch {
	case errors.Is(err, proxy.ErrBanned):
		code, text = reasonNotAllowed, "Too many failed logins, try again later."
	case errors.Is(err, proxy.ErrTooManyFromAddress):
		text = "Too many sessions from your address."
	}
	c.observe(c.hard, event.SessionRefused{Code: code, Err: err})
	c.socket.Write(append([]byte(serverVersion+"\r\n"), disconnect(code, text)...))
	if c.srv.refusing.Add(1) <= maxRefusing {
		c.socket.hangUp()
	}
	c.srv.refusing.Add(-1)
}

// disconnect returns a packet without encryption (RFC 4253, section 6) with SSH_MSG_DISCONNECT.
func disconnect(code int, text string) []byte {
	message := ssh.Marshal(struct {
		Type     byte
		Reason   uint32
		Text     string
		Language string
	}{1, uint32(code), text, ""})
	const block, minPadding = 8, 4
	padding := block - (5+len(message))%block
	if padding < minPadding {
		padding += block
	}
	packet := ssh.Marshal(struct {
		Length  uint32
		Padding byte
		Rest    []byte `ssh:"rest"`
	}{uint32(1 + len(message) + padding), byte(padding), message})
	return append(packet, make([]byte, padding)...)
}
