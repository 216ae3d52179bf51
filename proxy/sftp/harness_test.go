package sftp

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"io"
	"io/fs"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/proxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	serverAddr = netip.MustParseAddrPort("192.0.2.1:22")
	clientAddr = netip.MustParseAddrPort("198.51.100.7:50000")
)

// A recorder is an Observer that records events with their users.
type recorder struct {
	mu     sync.Mutex
	events []proxy.Event
	users  []string // by event
}

func (r *recorder) Observe(ctx context.Context, e proxy.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	info, _ := proxy.SessionFrom(ctx)
	r.events, r.users = append(r.events, e), append(r.users, info.User)
}

// all returns the events of a type.
func all[E proxy.Event](r *recorder) (found []E) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e, ok := e.(E); ok {
			found = append(found, e)
		}
	}
	return found
}

// only returns the event of a type, which must be the only one.
func only[E proxy.Event](t *testing.T, r *recorder) (e E) {
	t.Helper()
	found := all[E](r)
	if len(found) != 1 {
		t.Fatalf("%d events %T, want one: %+v", len(found), e, r.events)
	}
	return found[0]
}

// A bench is a server and its clients in a synctest bubble.
type bench struct {
	*testing.T
	srv      *Server
	events   *recorder
	listener *memListener
	drain    func()
	served   chan error

	socketBuffer int // bytes in each direction

	mu       sync.Mutex
	attempts []proxy.Attempt
	accounts int // that login or account returned
	released int
}

// inBubble runs a server with the user "user" and the password "secret". change may change the server before.
func inBubble(t *testing.T, change func(*bench), run func(*bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t, socketBuffer: 64 << 10, events: &recorder{}, listener: newMemListener(), served: make(chan error, 1)}
		b.srv = &Server{Login: b.login, HostKeys: hostKeys(newKey(t)), Observer: b.events}
		if change != nil {
			change(b)
		}
		ctx, cancel := context.WithCancel(t.Context())
		b.drain = cancel
		go func() { b.served <- b.srv.Serve(ctx, b.listener) }()
		run(b)
		cancel()
		if err := <-b.served; err != nil {
			t.Errorf("Serve returns %v", err)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.released != b.accounts {
			t.Errorf("%d of %d accounts were released", b.released, b.accounts)
		}
	})
}

// login knows a user and a password.
func (b *bench) login(_ context.Context, a proxy.Attempt) (proxy.Account, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.attempts = append(b.attempts, a)
	if a.User != "user" || a.Password != "secret" {
		return proxy.Account{}, fs.ErrPermission
	}
	return b.account(), nil
}

// account returns an account whose release is counted. The caller must hold b.mu.
func (b *bench) account() proxy.Account {
	b.accounts++
	return proxy.Account{Release: func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.released++
	}}
}

func hostKeys(keys ...ssh.Signer) func() []ssh.Signer { return func() []ssh.Signer { return keys } }

// newKey returns a new Ed25519 key.
func newKey(t *testing.T) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewSignerFromSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// connect returns a TCP connection to the server.
func (b *bench) connect() *memConn {
	client, server := newMemConn(clientAddr, serverAddr, b.socketBuffer)
	b.listener.conns <- server
	return client
}

// clientConfig returns the configuration of a client that logs in with these methods, or else with the password.
func clientConfig(methods ...ssh.AuthMethod) *ssh.ClientConfig {
	if len(methods) == 0 {
		methods = []ssh.AuthMethod{ssh.Password("secret")}
	}
	return &ssh.ClientConfig{User: "user", Auth: methods, HostKeyCallback: ssh.InsecureIgnoreHostKey()}
}

// dial connects a client.
func (b *bench) dial(config *ssh.ClientConfig) (*ssh.Client, error) {
	conn, channels, requests, err := ssh.NewClientConn(b.connect(), "", config)
	if err != nil {
		return nil, err
	}
	return ssh.NewClient(conn, channels, requests), nil
}

// mustDial connects a client that logs in.
func (b *bench) mustDial(config *ssh.ClientConfig) *ssh.Client {
	b.Helper()
	client, err := b.dial(config)
	if err != nil {
		b.Fatal(err)
	}
	return client
}

// echo is a subsystem that sends back what it receives.
func echo(_ *connection, _ context.Context, channel io.ReadWriter) error {
	_, err := io.Copy(channel, channel)
	return err
}

// A clientChannel is a channel of a client.
type clientChannel struct {
	ssh.Channel
	*testing.T
	ended  chan struct{} // closed when the server has closed the channel
	status int           // exit status; -1 = none
	said   []byte        // standard error, complete after ended
}

// open opens a session channel.
func (b *bench) open(client ssh.Conn) *clientChannel {
	b.Helper()
	channel, requests, err := client.OpenChannel("session", nil)
	if err != nil {
		b.Fatal(err)
	}
	c := &clientChannel{Channel: channel, T: b.T, ended: make(chan struct{}), status: -1}
	said := make(chan []byte, 1)
	go func() {
		text, _ := io.ReadAll(channel.Stderr())
		said <- text
	}()
	go func() {
		defer close(c.ended)
		for r := range requests {
			if r.Type == "exit-status" {
				c.status = int(binary.BigEndian.Uint32(r.Payload))
			}
			r.Reply(false, nil)
		}
		c.said = <-said
	}()
	return c
}

// request sends a request with a string and returns whether it succeeds.
func (c *clientChannel) request(name, text string) bool {
	c.Helper()
	ok, err := c.SendRequest(name, true, ssh.Marshal(struct{ Text string }{text}))
	if err != nil {
		c.Errorf("%s: %v", name, err)
	}
	return ok
}

// start opens a channel with the subsystem.
func (b *bench) start(client ssh.Conn) *clientChannel {
	b.Helper()
	c := b.open(client)
	if !c.request("subsystem", "sftp") {
		b.Fatal("the subsystem is refused")
	}
	return c
}
