package sftp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// Requests of a channel are granted or refused before its subsystem; none of them matters to it.
func TestChannelRequests(t *testing.T) {
	inBubble(t, func(b *bench) { b.srv.subsystem = echo }, func(b *bench) {
		client := b.mustDial(clientConfig())
		channel := b.open(client)
		for name, granted := range map[string]bool{
			"env": true, "pty-req": true, "x11-req": false, "auth-agent-req@openssh.com": false, "unknown": false,
		} {
			if got := channel.request(name, "x"); got != granted {
				t.Errorf("%s: %t, want %t", name, got, granted)
			}
		}
		if channel.request("subsystem", "netconf") {
			t.Error("an unknown subsystem is started")
		}
		if !channel.request("subsystem", "sftp") {
			t.Error("sftp is refused after an unknown subsystem")
		}
		for _, name := range []string{"subsystem", "shell", "exec"} {
			if channel.request(name, "sftp") {
				t.Errorf("%s is granted beside a subsystem", name)
			}
		}
		io.WriteString(channel, "hello")
		channel.CloseWrite()
		if got, _ := io.ReadAll(channel); string(got) != "hello" {
			t.Errorf("the subsystem sends %q", got)
		}
		client.Close()
	})
}

// A shell and commands say what is served, and fail.
func TestShellAndExec(t *testing.T) {
	for name, c := range map[string]struct {
		requests       []string
		stdout, stderr string
	}{
		"shell":          {[]string{"shell"}, served + "\n", ""},
		"shell on a pty": {[]string{"pty-req", "shell"}, served + "\r\n", ""},
		"exec":           {[]string{"exec"}, "", served + "\n"},
		"exec on a pty":  {[]string{"pty-req", "exec"}, "", served + "\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(b *bench) {
				client := b.mustDial(clientConfig())
				channel := b.open(client)
				for _, r := range c.requests {
					if !channel.request(r, "ls") {
						t.Errorf("%s is refused", r)
					}
				}
				stdout, _ := io.ReadAll(channel)
				<-channel.ended
				if string(stdout) != c.stdout || string(channel.said) != c.stderr || channel.status != 1 {
					t.Errorf("standard output %q, standard error %q, exit status %d", stdout, channel.said, channel.status)
				}
				client.Close()
			})
		})
	}
}

// A connection has up to ten channels at a time. A closed one makes room for another.
func TestElevenChannels(t *testing.T) {
	inBubble(t, func(b *bench) { b.srv.subsystem = echo }, func(b *bench) {
		client := b.mustDial(clientConfig())
		channels := make([]*clientChannel, maxChannels)
		for i := range channels {
			channels[i] = b.start(client)
		}
		_, _, err := client.OpenChannel("session", nil)
		if refused := new(ssh.OpenChannelError); !errors.As(err, &refused) || refused.Reason != ssh.ResourceShortage {
			t.Errorf("the eleventh channel: %v", err)
		}
		for i, c := range channels {
			io.WriteString(c, "hello")
			if got := make([]byte, 5); readAll(c, got) != nil || string(got) != "hello" {
				t.Errorf("channel %d sends %q", i, got)
			}
		}
		channels[3].Close()
		<-channels[3].ended
		synctest.Wait()
		b.start(client)
		client.Close()
	})
}

// A channel whose subsystem has ended counts until the client has closed it, too: until then, it may send.
func TestChannelCountsUntilClientCloses(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.srv.subsystem = func(*connection, context.Context, io.ReadWriter) error { return nil }
	}, func(b *bench) {
		c := b.rawConnect()
		c.login()
		open := func(id uint32) byte {
			c.open(id, 1<<20)
			for {
				p, err := c.next()
				if err != nil {
					t.Fatal(err)
				}
				if p[0] == msgChannelOpened || p[0] == msgChannelRefused {
					return p[0]
				}
			}
		}
		for id := range uint32(maxChannels) {
			if open(id) != msgChannelOpened {
				t.Fatalf("channel %d is refused", id)
			}
			c.subsystem(id)
			c.want(msgChannelClose)
		}
		if open(77) != msgChannelRefused {
			t.Error("an eleventh channel is opened")
		}
		c.send(msgChannelClose, uint32s(5))
		synctest.Wait()
		if open(78) != msgChannelOpened {
			t.Error("after a close, a channel is refused")
		}
		c.Close()
	})
}

// The exit status comes before the end of the output. OpenSSH's ssh answers that with the close of the channel if it has nothing more
// to send, and the status was lost if the answer came first.
func TestExitStatusPrecedesEndOfOutput(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.srv.subsystem = func(*connection, context.Context, io.ReadWriter) error { return nil }
	}, func(b *bench) {
		c := b.rawConnect()
		c.login()
		c.openSFTP(1 << 20)
		var got []byte
		for len(got) < 3 {
			p, err := c.next()
			if err != nil {
				t.Fatal(err)
			}
			if p[0] == msgChannelRequest || p[0] == msgChannelEOF || p[0] == msgChannelClose {
				got = append(got, p[0])
			}
		}
		if want := []byte{msgChannelRequest, msgChannelEOF, msgChannelClose}; !bytes.Equal(got, want) {
			t.Errorf("the messages %d, want %d", got, want)
		}
		c.Close()
	})
}

// Only sessions are opened, and none after no-more-sessions@openssh.com. Forwarding is refused.
func TestOtherChannels(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		client := b.mustDial(clientConfig())
		for _, kind := range []string{"direct-tcpip", "x11", "auth-agent@openssh.com", "unknown"} {
			if _, _, err := client.OpenChannel(kind, nil); err == nil {
				t.Errorf("%s is opened", kind)
			}
		}
		for name, granted := range map[string]bool{"tcpip-forward": false, "keepalive@openssh.com": false, "unknown": false} {
			if ok, _, err := client.SendRequest(name, true, nil); ok != granted || err != nil {
				t.Errorf("%s: %t, %v, want %t", name, ok, err, granted)
			}
		}
		b.open(client).Close()
		client.SendRequest("no-more-sessions@openssh.com", false, nil)
		synctest.Wait()
		if _, _, err := client.OpenChannel("session", nil); err == nil {
			t.Error("a session is opened after no-more-sessions@openssh.com")
		}
		client.Close()
	})
}

// The error of a subsystem is exit status 1. A removed user's session ends, with all channels.
func TestSubsystemErrors(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		ends   bool
	}{{nil, 0, false}, {errors.New("malformed"), 1, false}, {proxy.ErrUserRemoved, -1, true}} {
		inBubble(t, nil, func(b *bench) {
			b.srv.subsystem = func(*connection, context.Context, io.ReadWriter) error { return c.err }
			client := b.mustDial(clientConfig())
			channel := b.start(client)
			if <-channel.ended; channel.status != c.status {
				t.Errorf("%v: exit status %d, want %d", c.err, channel.status, c.status)
			}
			synctest.Wait()
			ends := all[event.SessionEnd](b.events)
			if (len(ends) > 0) != c.ends || c.ends && !errors.Is(ends[0].Err, c.err) {
				t.Errorf("%v: ends of sessions: %+v", c.err, ends)
			}
			client.Close()
		})
	}
}

// The context of a subsystem ends with the connection, and has the user.
func TestSubsystemContext(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		ended := make(chan string, 1)
		b.srv.subsystem = func(_ *connection, ctx context.Context, _ io.ReadWriter) error {
			<-ctx.Done()
			info, _ := proxy.SessionFrom(ctx)
			ended <- info.User
			return nil
		}
		client := b.mustDial(clientConfig())
		b.start(client)
		client.Close()
		if user := <-ended; user != "user" {
			t.Errorf("the context has the user %q", user)
		}
	})
}
