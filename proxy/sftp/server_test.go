package sftp

import (
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// A failingListener has the errors of Accept in a channel. When that is closed, Accept fails permanently.
type failingListener struct {
	*memListener
	errors chan error
}

var errPermanent = errors.New("the listener is broken")

func (l failingListener) Accept() (net.Conn, error) {
	select {
	case err, ok := <-l.errors:
		if !ok {
			return nil, errPermanent
		}
		return nil, err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Serve retries Accept after a temporary error, and returns a permanent one after the sessions have ended.
func TestServeRetriesAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, events := failingListener{newMemListener(), make(chan error, 1)}, &recorder{}
		l.errors <- syscall.EMFILE
		close(l.errors)
		srv := &Server{HostKeys: hostKeys(newKey(t)), Observer: events}
		if err := srv.Serve(t.Context(), l); err != errPermanent {
			t.Errorf("Serve returns %v", err)
		}
		if e := only[event.AcceptFailed](t, events); !errors.Is(e.Err, syscall.EMFILE) || e.Address != serverAddr.String() {
			t.Errorf("%+v", e)
		}
	})
}

// Serve needs a host key that the algorithms allow.
func TestServeNeedsHostKey(t *testing.T) {
	for _, keys := range [][]ssh.Signer{nil, {newECDSAKey(t)}} {
		l := newMemListener()
		srv := &Server{HostKeys: hostKeys(keys...), Algorithms: StrictAlgorithms}
		if err := srv.Serve(t.Context(), l); !errors.Is(err, ErrNoHostKey) {
			t.Errorf("Serve returns %v", err)
		}
		if _, err := l.Accept(); err == nil {
			t.Error("the listener is open")
		}
	}
}

// DrainEnd is called after the drain timeout, and not before.
func TestDrainEnd(t *testing.T) {
	ended := make(chan time.Duration, 1)
	inBubble(t, func(b *bench) {
		begin := time.Now()
		b.srv.DrainTimeout, b.srv.DrainEnd = 7*time.Second, func() { ended <- time.Since(begin) }
		b.handles()
	}, func(b *bench) {
		client := b.mustDial(clientConfig())
		channel := b.start(client)
		synctest.Wait()
		b.drain()
		<-channel.ended
		client.Close()
	})
	if got := <-ended; got != 7*time.Second {
		t.Errorf("DrainEnd was called after %v", got)
	}
}

// New sessions use the host keys that the server has then.
func TestHostKeysAreReloaded(t *testing.T) {
	var keys atomic.Pointer[ssh.Signer]
	inBubble(t, func(b *bench) {
		first := newKey(t)
		keys.Store(&first)
		b.srv.HostKeys = func() []ssh.Signer { return []ssh.Signer{*keys.Load()} }
	}, func(b *bench) {
		for range 2 {
			key := newKey(t)
			keys.Store(&key)
			config := clientConfig()
			config.HostKeyCallback = ssh.FixedHostKey(key.PublicKey())
			b.mustDial(config).Close()
		}
	})
}
