package sftp

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// Clients that do not speak SSH, or send too much, are disconnected at once; those that send too little, after the login timeout.
func TestInvalidHandshakes(t *testing.T) {
	for name, c := range map[string]struct {
		sent  string
		after time.Duration
		end   error // nil = one of package ssh
		said  string
	}{
		"nothing":              {"", time.Minute, errLoginTimeout, ""},
		"HTTP":                 {"GET / HTTP/1.1\r\n\r\n", 0, errNotSSH, "Invalid SSH identification string.\r\n"},
		"TLS":                  {"\x16\x03\x01", 0, errNotSSH, "Invalid SSH identification string.\r\n"},
		"SSH 1":                {"SSH-1.5-old\r\n", 0, errNotSSH, "Invalid SSH identification string.\r\n"},
		"lines before version": {"hello\r\nSSH-2.0-test\r\n", 0, errNotSSH, "Invalid SSH identification string.\r\n"},
		"half a version":       {"SSH-2.0-te", time.Minute, errLoginTimeout, ""},
		"endless version":      {"SSH-2.0-" + strings.Repeat("x", 1000), 0, nil, ""},
		"version alone":        {"SSH-2.0-test\r\n", time.Minute, errLoginTimeout, ""},
		"no key exchange":      {"SSH-2.0-test\r\n\x00\x00\x00\x0c\x0a\x05" + strings.Repeat("\x00", 10), 0, nil, ""},
		"garbage":              {"SSH-2.0-test\r\n" + strings.Repeat("\xff", 100), 0, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(b *bench) {
				begin := time.Now()
				conn := b.connect()
				io.WriteString(conn, c.sent)
				said, _ := io.ReadAll(conn)
				if took := time.Since(begin); took != c.after {
					t.Errorf("the connection ends after %v, want %v", took, c.after)
				}
				conn.Close()
				synctest.Wait()
				if e := only[event.SessionEnd](t, b.events); e.Err == nil || c.end != nil && !errors.Is(e.Err, c.end) {
					t.Errorf("the session ends with %v, want %v", e.Err, c.end)
				}
				if _, rest, ok := strings.Cut(string(said), "SSH-2.0-s3ftpd\r\n"); !ok || c.said != "" && rest != c.said {
					t.Errorf("the server says %q", said)
				}
			})
		})
	}
}

// A client may send 128 KiB before its login, in small packets or large ones.
func TestTooMuchBeforeLogin(t *testing.T) {
	for _, size := range []int{10, 200_000} {
		inBubble(t, nil, func(b *bench) {
			c := b.rawConnect()
			c.handshake()
			ignored := make([]byte, size)
			ignored[0] = 2 // SSH_MSG_IGNORE
			for sent := 0; sent < 300_000; sent += size {
				c.send(ignored)
			}
			c.rest()
			c.Close()
			synctest.Wait()
			if e := only[event.SessionEnd](t, b.events); !errors.Is(e.Err, errTooMuchAtLogin) {
				t.Errorf("packets of %d bytes: the session ends with %v", size, e.Err)
			}
		})
	}
}

// The login timeout counts from connecting, whatever the client sends meanwhile.
func TestLoginTimeout(t *testing.T) {
	inBubble(t, func(b *bench) { b.srv.LoginTimeout = 10 * time.Second }, func(b *bench) {
		c := b.rawConnect()
		c.handshake()
		for range 12 {
			<-time.After(time.Second)
			c.send(2, []byte("ignored"))
		}
		c.Close()
		synctest.Wait()
		if e := only[event.SessionEnd](t, b.events); !errors.Is(e.Err, errLoginTimeout) || e.Duration != 10*time.Second {
			t.Errorf("the session ends with %v after %v", e.Err, e.Duration)
		}
	})
}

// A monitoring probe connects and leaves. Its session is reported as that of a probe.
func TestProbe(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.connect().Close()
		synctest.Wait()
		if start, end := only[event.SessionStart](t, b.events), only[event.SessionEnd](t, b.events); !start.Probe || !end.Probe {
			t.Errorf("%+v, %+v, want a probe", start, end)
		}
		c := b.rawConnect()
		c.in.ReadString('\n')
		io.WriteString(c, "SSH")
		c.Close()
		synctest.Wait()
		if starts := all[event.SessionStart](b.events); len(starts) != 2 || starts[1].Probe {
			t.Errorf("%+v: the second session is no probe", starts)
		}
	})
}

// Sessions over a limit and banned clients read a disconnect message before the handshake.
func TestRefusedSessions(t *testing.T) {
	for _, c := range []struct {
		sessions *proxy.Sessions
		code     int
		said     string
	}{
		{&proxy.Sessions{Max: 1}, 12, "Too many sessions, try again later."},
		{&proxy.Sessions{MaxPerAddress: 1}, 12, "Too many sessions from your address."},
		{&proxy.Sessions{Refuse: refuseSecond()}, 1, "Too many failed logins, try again later."},
	} {
		inBubble(t, func(b *bench) { b.srv.Sessions = c.sessions }, func(b *bench) {
			first := b.mustDial(clientConfig())
			raw := b.rawConnect()
			line, err := raw.in.ReadString('\n')
			if line != "SSH-2.0-s3ftpd\r\n" || err != nil {
				t.Errorf("the server begins with %q, %v", line, err)
			}
			if said := raw.rest(); said != c.said {
				t.Errorf("the server says %q, want %q", said, c.said)
			}
			raw.Close()
			if _, err := b.dial(clientConfig()); err == nil || !strings.Contains(err.Error(), c.said) {
				t.Errorf("the client of package ssh gets %v", err)
			}
			synctest.Wait()
			if refused := all[event.SessionRefused](b.events); len(refused) != 2 || refused[0].Code != c.code {
				t.Errorf("refused sessions: %+v", refused)
			}
			first.Close()
		})
	}
}

// refuseSecond refuses all clients but the first.
func refuseSecond() func(netip.Addr) error {
	first := true
	return func(netip.Addr) error {
		if first {
			first = false
			return nil
		}
		return proxy.ErrBanned
	}
}

// The event of the handshake has the algorithms, that of the client the rest of its version.
func TestHandshakeEvents(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		config := clientConfig()
		config.ClientVersion = "SSH-2.0-Camera_1.0 with comment"
		b.mustDial(config).Close()
		synctest.Wait()
		want := event.SSHHandshake{KeyExchange: "mlkem768x25519-sha256", HostKey: "ssh-ed25519", Cipher: "aes128-gcm@openssh.com"}
		if e := only[event.SSHHandshake](t, b.events); e != want {
			t.Errorf("%+v, want %+v", e, want)
		}
		if e := only[event.ClientSoftware](t, b.events); e.Name != "Camera_1.0 with comment" {
			t.Errorf("the client is %q", e.Name)
		}
	})
}

// An idle session ends, and its client reads why. Messages, and requests that run, keep it alive.
func TestIdleTimeout(t *testing.T) {
	connections := make(chan *connection, 1)
	inBubble(t, func(b *bench) {
		b.srv.subsystem = func(c *connection, ctx context.Context, channel io.ReadWriter) error {
			connections <- c
			return echo(c, ctx, channel)
		}
	}, func(b *bench) {
		begin := time.Now()
		client := b.mustDial(clientConfig())
		channel := b.start(client)
		c := <-connections
		for range 3 {
			<-time.After(4 * time.Minute)
			client.SendRequest("keepalive@openssh.com", true, nil)
		}
		c.pending.Add(1)
		<-time.After(20 * time.Minute)
		client.SendRequest("keepalive@openssh.com", true, nil)
		c.pending.Add(-1)
		<-channel.ended
		if took := time.Since(begin); took != (12+20+5)*time.Minute {
			t.Errorf("the session ended after %v", took)
		}
		if got := string(channel.said); got != "Idle timeout, closing connection.\r\n" {
			t.Errorf("the server says %q", got)
		}
		client.Close()
		synctest.Wait()
		if e := only[event.SessionEnd](t, b.events); !errors.Is(e.Err, errIdleTimeout) {
			t.Errorf("the session ends with %v", e.Err)
		}
	})
}

// handles makes the subsystem have open handles until the returned function is called, and end with the drain after that.
func (b *bench) handles() (closeAll func()) {
	open := make(chan struct{})
	b.srv.subsystem = func(c *connection, ctx context.Context, channel io.ReadWriter) error {
		c.handles.Add(1)
		go func() {
			select {
			case <-open:
			case <-ctx.Done():
			}
			c.handles.Add(-1)
		}()
		return echo(c, ctx, channel)
	}
	return func() { close(open) }
}

// A session that is drained ends with its last handle. Its client opens no more channels, and reads why it ends.
func TestDrain(t *testing.T) {
	for name, c := range map[string]struct {
		drain func(*bench)
		end   error
		said  string
	}{
		"shutdown":      {func(b *bench) { b.drain() }, errShutdown, "Server is shutting down, closing connection.\r\n"},
		"administrator": {(*bench).endSession, proxy.ErrSessionEnded, "Session ended by an administrator, closing connection.\r\n"},
		"removed user": {func(b *bench) { b.srv.sessions().EndUsers(func(user string) bool { return user == "user" }) }, proxy.ErrUserRemoved,
			"User was removed or disabled, closing connection.\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var closeAll func()
			inBubble(t, func(b *bench) { closeAll = b.handles() }, func(b *bench) {
				client := b.mustDial(clientConfig())
				channel := b.start(client)
				synctest.Wait()
				c.drain(b)
				<-time.After(30 * time.Second)
				io.WriteString(channel, "hello")
				if got := make([]byte, 5); readAll(channel, got) != nil || string(got) != "hello" {
					t.Errorf("after the drain began, the channel sends %q", got)
				}
				if _, _, err := client.OpenChannel("session", nil); err == nil {
					t.Error("a channel is opened after the drain began")
				}
				closeAll()
				begin := time.Now()
				<-channel.ended
				if took := time.Since(begin); took > drainPoll {
					t.Errorf("the session ended %v after its last handle", took)
				}
				if got := string(channel.said); got != c.said {
					t.Errorf("the server says %q, want %q", got, c.said)
				}
				client.Close()
				synctest.Wait()
				if e := only[event.SessionEnd](t, b.events); !errors.Is(e.Err, c.end) {
					t.Errorf("the session ends with %v, want %v", e.Err, c.end)
				}
			})
		})
	}
}

func readAll(r io.Reader, p []byte) error {
	_, err := io.ReadFull(r, p)
	return err
}

// endSession ends the only session as an administrator does.
func (b *bench) endSession() { b.srv.sessions().End(b.srv.sessions().List()[0].ID) }

// After the drain timeout, open handles do not count any more.
func TestDrainTimeout(t *testing.T) {
	for name, drain := range map[string]func(*bench){"shutdown": func(b *bench) { b.drain() }, "administrator": (*bench).endSession} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) { b.handles() }, func(b *bench) {
				client := b.mustDial(clientConfig())
				channel := b.start(client)
				synctest.Wait()
				begin := time.Now()
				drain(b)
				<-channel.ended
				if took := time.Since(begin); took != time.Minute {
					t.Errorf("the session ended after %v, want 1m", took)
				}
				client.Close()
			})
		})
	}
}

// A session without a channel, and a connection without a login, end at once when the server shuts down.
func TestDrainOfIdleSessions(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		client, raw := b.mustDial(clientConfig()), b.rawConnect()
		raw.handshake()
		synctest.Wait()
		begin := time.Now()
		b.drain()
		client.Wait()
		raw.rest()
		if took := time.Since(begin); took != 0 {
			t.Errorf("the sessions ended after %v", took)
		}
		client.Close()
		raw.Close()
	})
}

// A client may disconnect or close the connection: it has quit. A protocol error is an error.
func TestSessionEndReasons(t *testing.T) {
	disconnect := func(reason uint32) func(*rawClient) {
		return func(c *rawClient) {
			c.send(msgDisconnect, struct {
				Reason         uint32
				Text, Language string
			}{reason, "text", ""})
		}
	}
	for name, c := range map[string]struct {
		act    func(*rawClient)
		failed bool
	}{
		"closed":              {func(c *rawClient) { c.Close() }, false},
		"disconnected":        {disconnect(11), false},
		"protocol error":      {disconnect(2), true},
		"unexpected message":  {func(c *rawClient) { c.send(200) }, true},
		"unknown channel":     {func(c *rawClient) { c.send(msgChannelData, uint32s(7, 1), []byte("x")) }, true},
		"broken encryption":   {func(c *rawClient) { c.memConn.Write(make([]byte, 1000)) }, true},
		"malformed user name": {func(c *rawClient) { c.send(msgChannelOpen, []byte("x")) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(b *bench) {
				raw := b.rawConnect()
				raw.login()
				c.act(raw)
				raw.rest()
				raw.Close()
				synctest.Wait()
				if e := only[event.SessionEnd](t, b.events); (e.Err != nil) != c.failed {
					t.Errorf("the session ends with %v", e.Err)
				}
			})
		})
	}
}

// uint32s returns numbers as SSH has them.
func uint32s(list ...uint32) (b []byte) {
	for _, n := range list {
		b = append(b, ssh.Marshal(struct{ N uint32 }{n})...)
	}
	return b
}

// A panic ends its session and no other, wherever it comes from.
func TestPanicEndsOneSession(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Server)
		where  string
	}{
		"login": {func(srv *Server) {
			srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) { panic("in a test") }
		}, "session"},
		"subsystem": {func(srv *Server) {
			srv.subsystem = func(*connection, context.Context, io.ReadWriter) error { panic("in a test") }
		}, "channel"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.srv.subsystem = echo
			}, func(b *bench) {
				other := b.mustDial(clientConfig())
				c.change(b.srv)
				if client, err := b.dial(clientConfig()); err == nil {
					channel := b.open(client)
					channel.SendRequest("subsystem", true, ssh.Marshal(struct{ Name string }{"sftp"}))
					<-channel.ended
					client.Close()
				}
				synctest.Wait()
				if e := only[event.Panic](t, b.events); e.Where != c.where || !strings.Contains(e.Err.Error(), "in a test") {
					t.Errorf("%+v", e)
				}
				if e := only[event.SessionEnd](t, b.events); !errors.Is(e.Err, errInternal) {
					t.Errorf("the session ends with %v", e.Err)
				}
				if ok, _, err := other.SendRequest("keepalive@openssh.com", true, nil); ok || err != nil {
					t.Errorf("the other session answers %t, %v", ok, err)
				}
				other.Close()
			})
		})
	}
}
