package ftp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A countingCache counts the tickets that a client gets.
type countingCache struct {
	tls.ClientSessionCache
	got int
}

func (c *countingCache) Put(key string, cs *tls.ClientSessionState) {
	if cs != nil {
		c.got++
	}
	c.ClientSessionCache.Put(key, cs)
}

// In TLS 1.3 the server sends tickets after the handshake. A client that only sends never reads them, and closing the connection with
// unread bytes resets it. So uploads get no tickets, and downloads do.
func TestUploadsGetNoTickets(t *testing.T) {
	for _, resumes := range []bool{true, false} {
		t.Run(fmt.Sprint("resumes ", resumes), func(t *testing.T) {
			inBubble(t, func(s *script) {
				s.play("! tls implicit\n! tls-version 1.3\n<= /a \"x\"\nC> NOOP\nS> 200 *")
				cache := &countingCache{ClientSessionCache: s.tls.config.ClientSessionCache}
				if s.tls.config.ClientSessionCache = cache; !resumes {
					s.show("no tickets")
					cache.ClientSessionCache = tls.NewLRUClientSessionCache(1)
					s.tls.config.ClientSessionCache = emptyCache{cache}
				}
				for _, verb := range []string{"STOR", "APPE"} {
					s.play("C> EPSV\nS> 229 *\nC> " + verb + " b\nS> 150 *\nD> y")
					s.data.(*tls.Conn).CloseWrite()
					rest, err := io.ReadAll(s.data) // and the ticket, if one is sent
					s.data.Close()
					s.play("S> 226 *")
					if cache.got != 0 || len(rest) > 0 || err != nil {
						t.Errorf("%s: got %d tickets, %q, %v; want none", verb, cache.got, rest, err)
					}
				}
				s.play("C> EPSV\nS> 229 *\nC> RETR a\nS> 150 *\nD= \"x\"\nD.\nS> 226 *")
				if cache.got != 1 {
					t.Errorf("download: got %d tickets, want 1", cache.got)
				}
			})
		})
	}
}

// An emptyCache counts tickets, but never returns one.
type emptyCache struct{ *countingCache }

func (emptyCache) Get(string) (*tls.ClientSessionState, bool) { return nil, false }

// A certificate may be used by servers of other protocols, so an attacker can redirect their clients here (ALPACA). A handshake with ALPN
// succeeds only if the client offers ftp.
func TestALPNRefusesOtherProtocols(t *testing.T) {
	for offered, good := range map[string]bool{"": true, "ftp": true, "x-filezilla-ftp,ftp": true, "h2": false, "http/1.1": false,
		"h2,http/1.1": false, "imap": false, "ftp-data": false} {
		inBubble(t, func(s *script) {
			s.play("! tls optional\n! login no\nS> 220 *\nC> AUTH TLS\nS> 234 *")
			if offered != "" {
				s.tls.config.NextProtos = strings.Split(offered, ",")
			}
			secure := tls.Client(s.conn, s.tls.config)
			err := secure.HandshakeContext(s.t.Context())
			if (err == nil) != good {
				t.Errorf("handshake with the protocols %q: %v, want success: %v", offered, err, good)
			}
			if got := secure.ConnectionState().NegotiatedProtocol; good && offered != "" && got != "ftp" {
				t.Errorf("with the protocols %q, %q was negotiated", offered, got)
			}
		})
	}
}

// identify finds the session of a data connection by the ticket in the first TLS message, and the handshake after it still succeeds.
func TestIdentifyByTicket(t *testing.T) {
	for _, version := range []string{"1.2", "1.3"} {
		inBubble(t, func(s *script) {
			s.play("! tls implicit\n! tls-version " + version + "\n<= /a \"x\"\nC> NOOP\nS> 200 *\n2\nC> NOOP\nS> 200 *")
			var ids []string
			for n := 1; n <= 2; n++ {
				s.switchTo(n)
				for _, config := range []*tls.Config{s.tls.config, {InsecureSkipVerify: true, MaxVersion: s.tls.config.MaxVersion}} {
					near, far := s.pair()
					done := make(chan error, 1)
					go func() { done <- tls.Client(near, config).HandshakeContext(s.t.Context()) }()
					conn, id := s.srv.identify(s.t.Context(), far)
					ids = append(ids, id)
					if err := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{serverCertificate()}}).HandshakeContext(s.t.Context()); err != nil {
						t.Errorf("TLS %s: handshake after identify: %v", version, err)
					}
					if err := <-done; err != nil {
						t.Errorf("TLS %s: handshake of the client: %v", version, err)
					}
				}
			}
			if ids[0] == "" || ids[2] == "" || ids[0] == ids[2] || ids[1]+ids[3] != "" {
				t.Errorf("TLS %s: identified sessions %q, want two different ones, each followed by none", version, ids)
			}
			near, far := s.pair() // without TLS
			go near.Write([]byte("not TLS, but long enough for a record"))
			if conn, id := s.srv.identify(s.t.Context(), far); id != "" || conn == nil {
				t.Errorf("a connection without TLS is identified as session %q, or closed", id)
			}
		})
	}
}

// Clients send tickets unencrypted. A client that repeats the ticket of another session does not have its key, so it gets a full
// handshake, and the data connection is refused.
func TestTicketOfAnotherSessionIsRefused(t *testing.T) {
	inBubble(t, func(s *script) {
		s.play("! tls optional\n! share")
		// begin starts the session of a client with one cipher, and returns it with the client's ticket.
		begin := func(cipher uint16) (*tlsSession, *tls.Config, []byte, *tls.SessionState) {
			config := newTLSClient(tls.VersionTLS12).config
			config.CipherSuites = []uint16{cipher}
			near, far := s.pair()
			go tls.Client(near, config).HandshakeContext(s.t.Context())
			_, session, err := s.srv.tlsHandshake(s.t.Context(), far, false)
			synctest.Wait()
			cs, ok := config.ClientSessionCache.Get(config.ServerName)
			if err != nil || !ok {
				t.Fatalf("handshake: %v, ticket: %v", err, ok)
			}
			ticket, state, err := cs.ResumptionState()
			if err != nil {
				t.Fatal(err)
			}
			return session, config, ticket, state
		}
		alice, _, seen, _ := begin(tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)
		_, config, _, own := begin(tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384)
		forged, err := tls.NewResumptionState(seen, own)
		if err != nil {
			t.Fatal(err)
		}
		config.ClientSessionCache.Put(config.ServerName, forged)
		near, far := s.pair()
		go tls.Client(near, config).HandshakeContext(s.t.Context())
		conn, id := s.srv.identify(s.t.Context(), far)
		if id != alice.id {
			t.Errorf("the ticket identifies session %q, want %q", id, alice.id)
		}
		err = newDataConn(s.t.Context(), conn, time.Minute, new(atomic.Int64)).protect(s.t.Context(), alice, true, s.srv.observer())
		if !errors.Is(err, errNotResumed) {
			t.Errorf("protect returns %v, want %v", err, errNotResumed)
		}
	})
}

// pair returns both ends of a connection in memory.
func (s *script) pair() (near, far net.Conn) {
	l, err := s.net.listen("192.0.2.1:0")
	if err != nil {
		s.fatalf("%v", err)
	}
	defer l.Close()
	if near, err = s.net.dial(s.t.Context(), "tcp", netip.AddrPortFrom(clientAddr, 5000), netip.MustParseAddrPort(l.Addr().String())); err != nil {
		s.fatalf("%v", err)
	}
	far, _ = l.Accept()
	return near, far
}

// A key encrypts new tickets for 12 hours, and decrypts tickets for a week.
func TestRotationOfTicketKeys(t *testing.T) {
	inBubble(t, func(s *script) {
		var k tickets
		first := k.keys()
		if again := k.keys(); len(again) != 1 || again[0] != first[0] {
			t.Error("the key is replaced at once")
		}
		for n := 1; n <= 14; n++ {
			s.play("T> 12h")
			if keys := k.keys(); len(keys) != n+1 || keys[0] == first[0] || keys[n] != first[0] {
				t.Fatalf("%d keys after %d x 12 h, want %d with a new one first", len(keys), n, n+1)
			}
		}
		s.play("T> 12h")
		if keys := k.keys(); len(keys) != 15 || slices.Contains(keys, first[0]) {
			t.Errorf("%d keys after a week, want 15 without the first one", len(keys))
		}
	})
}

func TestPanicsAreCounted(t *testing.T) {
	inBubble(t, func(s *script) {
		s.play("! fail /a panic\nC> SIZE a\nS> 421 *\nS.\n2\nC> NOOP\nS> 200 *")
		if n := s.srv.Panics(); n != 1 {
			t.Errorf("%d panics", n)
		}
	})
}
