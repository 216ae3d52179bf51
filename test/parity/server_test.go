package parity

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/ftp"
	"github.com/s3ftpd/s3ftpd/proxy/sftp"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// A client does what users do. It returns what they see: "ok", or "error" and its text, or what was asked for.
type client interface {
	stat(name string) string // "dir", or "file SIZE TIME"
	list(dir string) string  // the same with names before, sorted
	get(name, offset string) string
	put(name, data string) string
	add(name, data string) string
	resume(name, offset, data string) string // or writes into a file
	breakOff(name, data string) string       // loses the connection of an upload
	remove(name string) string
	mkdir(dir string) string
	rmdir(dir string) string
	rename(from, to string) string
	replace(from, to string) string
	setTime(seconds, name string) string // since 1970
	close()
}

// A side is one of the two protocols: a server with a store, and a client.
type side struct {
	*testing.T
	store    *storetest.Memory
	account  proxy.Account
	received chan int      // the bytes that an upload has received last
	ended    chan struct{} // a transfer has ended
	client
}

// newSide returns a side whose account change has changed.
func newSide(t *testing.T, change func(*proxy.Account)) *side {
	s := &side{T: t, store: storetest.NewMemory(), received: make(chan int, 1), ended: make(chan struct{}, 100)}
	s.account = proxy.Account{User: "user", Store: s.store}
	if change != nil {
		change(&s.account)
	}
	s.account.Store = watched{s.account.Store, s}
	return s
}

// serve runs a server on a port of its own until the end of the test, and returns its address.
func (s *side) serve(server interface {
	Serve(ctx context.Context, l net.Listener) error
}) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.Context())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, l) }()
	s.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			s.Error(err)
		}
	})
	return l.Addr().String()
}

func (s *side) login(context.Context, proxy.Attempt) (proxy.Account, error) { return s.account, nil }

// newFTP returns the side of FTP.
func newFTP(t *testing.T, change func(*proxy.Account)) *side {
	s := newSide(t, change)
	addr := s.serve(&ftp.Server{Login: s.login, Observer: s, CommitGrace: time.Millisecond})
	s.client = dialFTP(s, addr)
	return s
}

// newSFTP returns the side of SFTP.
func newSFTP(t *testing.T, change func(*proxy.Account)) *side {
	s := newSide(t, change)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewSignerFromSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	addr := s.serve(&sftp.Server{Login: s.login, Observer: s, HostKeys: func() []ssh.Signer { return []ssh.Signer{key} }})
	s.client = dialSFTP(s, addr)
	return s
}

// Observe implements proxy.Observer.
func (s *side) Observe(_ context.Context, e proxy.Event) {
	if _, ok := e.(event.TransferEnd); ok {
		s.ended <- struct{}{}
	}
}

// A watched store tells how much an upload has received.
type watched struct {
	proxy.Store
	side *side
}

// Put implements proxy.Store.
func (w watched) Put(ctx context.Context, name string, src proxy.Source, write proxy.Write) (proxy.Stored, error) {
	return w.Store.Put(ctx, name, &watchedSource{Source: src, side: w.side}, write)
}

// A watchedSource is the source of a watched store.
type watchedSource struct {
	proxy.Source
	side  *side
	bytes int
}

// Next implements proxy.Source.
func (s *watchedSource) Next(ctx context.Context) (proxy.Run, error) {
	run, err := s.Source.Next(ctx)
	if run.New != nil {
		run.New = io.TeeReader(run.New, s)
	}
	return run, err
}

// Write implements io.Writer.
func (s *watchedSource) Write(p []byte) (int, error) {
	s.bytes += len(p)
	select {
	case <-s.side.received:
	default:
	}
	s.side.received <- s.bytes
	return len(p), nil
}
