package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/observe"
	"github.com/s3ftpd/s3ftpd/s3fs"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// A meter counts the requests that reach a store.
type meter struct {
	http.Handler
	url    string
	mu     sync.Mutex
	counts map[string]int
	more   chan struct{}
}

func (m *meter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	m.counts[real.Operation(r)]++
	close(m.more)
	m.more = make(chan struct{})
	m.mu.Unlock()
	m.Handler.ServeHTTP(w, r)
}

// take returns the counts since its last call.
func (m *meter) take() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	counts := m.counts
	m.counts = make(map[string]int)
	return counts
}

// await waits until an operation was requested the given number of times.
func (m *meter) await(t *testing.T, name string, times int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		m.mu.Lock()
		n, more := m.counts[name], m.more
		m.mu.Unlock()
		if n >= times {
			return
		}
		select {
		case <-more:
		case <-ctx.Done():
			t.Fatalf("no %s came", name)
		}
	}
}

// metered returns a client of an embedded store, with an empty bucket "files", and its meter.
func metered(t *testing.T) (*s3fs.Client, *meter) {
	t.Helper()
	m := &meter{Handler: embedded(t, "files"), counts: make(map[string]int), more: make(chan struct{})}
	s3 := httptest.NewServer(m)
	t.Cleanup(s3.Close)
	m.url = s3.URL
	return m.dial(t, ""), m
}

// dial returns an S3 client that sends the given kind of checksum.
func (m *meter) dial(t *testing.T, checksum string) *s3fs.Client {
	t.Helper()
	client, err := s3fs.NewClient(t.Context(), s3fs.Config{Endpoint: m.url, Region: "us-east-1", Checksum: checksum})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// A caller is an FTP client that is logged in to a server with a store. It records the commands that it has sent.
type caller struct {
	*textproto.Conn
	store *s3fs.FS
	meter *meter
	data  net.Conn
	said  map[string]bool
}

func call(t *testing.T, store *s3fs.FS, m *meter, options ...string) *caller {
	t.Helper()
	return callOver(t, store, store, m, options...)
}

// callOver is call for a store over that of the caller.
func callOver(t *testing.T, store *s3fs.FS, over proxy.Store, m *meter, options ...string) *caller {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(config.Serve, append(options, "--bucket=files", "--user=alice"), []string{"S3FTPD_PASSWORD=wonderland"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	all := newResources(c, nil)
	all.observer = observe.NewEvents(observe.EventOptions{}) // events cost no request
	go func() { done <- ftpServer(c, nil, userOfOptions(c, over, all, quiet), nil, all, quiet).Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	a := &caller{Conn: dial(t, l.Addr().String()), store: store, meter: m, said: make(map[string]bool)}
	logIn(t, a)
	return a
}

// An act is a step of a caller. It fails the test if a reply is not as expected.
type act func(*testing.T, *caller)

// logIn logs the caller in.
var logIn = both(say("USER alice", 331), say("PASS wonderland", 230))

func both(first, second act) act {
	return func(t *testing.T, c *caller) {
		first(t, c)
		second(t, c)
	}
}

// say sends a command and expects replies with these codes.
func say(command string, codes ...int) act {
	return func(t *testing.T, c *caller) {
		verb, _, _ := strings.Cut(command, " ")
		c.said[verb] = true
		expect(t, c.Conn, command, codes[0])
		for _, code := range codes[1:] {
			expect(t, c.Conn, "", code)
		}
	}
}

// begin starts a transfer, expects a reply with that code, and sends the given number of bytes.
func begin(command string, bytes, code int) act {
	return func(t *testing.T, c *caller) {
		port := strings.Split(expect(t, c.Conn, "EPSV", 229), "|")[3]
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		say(command, code)(t, c)
		if _, err := conn.Write(make([]byte, bytes)); bytes > 0 && err != nil {
			t.Fatal(err)
		}
		c.data = conn
	}
}

func refused(command string, code int) act { return begin(command, 0, code) }

// send uploads the given number of bytes.
func send(command string, bytes int) act {
	return both(begin(command, bytes, 150), func(t *testing.T, c *caller) {
		c.data.Close()
		expect(t, c.Conn, "", 226)
	})
}

// fetch runs a download or a listing that must have the given number of lines.
func fetch(command string, lines int) act {
	return both(begin(command, 0, 150), func(t *testing.T, c *caller) {
		text, err := io.ReadAll(c.data)
		if got := strings.Count(string(text), "\n"); err != nil || got != lines {
			t.Fatalf("%s: %d lines, %v, want %d", command, got, err, lines)
		}
		expect(t, c.Conn, "", 226)
	})
}
