package ftp

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// A session ticket has the ID of its FTP session, encrypted. Resuming a TLS session proves the client's identity only if the ticket
// was issued to this control connection.

// newTicketID returns a unique ID of a session for its tickets.
func newTicketID() string { return rand.Text() }

// ticketPrefix begins our entry in tls.SessionState.Extra.
const ticketPrefix = "s3ftpd session "

// seal encrypts a ticket of this session.
func (c *tlsSession) seal(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
	ss.Extra = append(ss.Extra, []byte(ticketPrefix+c.id))
	return c.config.EncryptTicket(cs, ss)
}

// unseal decrypts a ticket, and returns its TLS session and ticket ID; nil and "" if the ticket is not ours.
func unseal(config *tls.Config, ticket []byte, cs tls.ConnectionState) (ss *tls.SessionState, id string) {
	ss, err := config.DecryptTicket(ticket, cs)
	if err != nil || ss == nil {
		return nil, ""
	}
	for _, e := range ss.Extra {
		if of, ours := bytes.CutPrefix(e, []byte(ticketPrefix)); ours {
			return ss, string(of)
		}
	}
	return nil, ""
}

const (
	ticketKeyInterval = 12 * time.Hour     // a key encrypts new tickets
	ticketKeyLifetime = 7 * 24 * time.Hour // and decrypts them, as long as TLS allows a ticket to live
)

// tickets are the keys that encrypt tickets, in memory only. The zero value creates them when needed.
type tickets struct {
	mu  sync.Mutex
	all [][32]byte // newest first
	due time.Time  // when the next one is created
}

func (t *tickets) keys() [][32]byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); !now.Before(t.due) {
		var key [32]byte
		rand.Read(key[:])
		t.all, t.due = append([][32]byte{key}, t.all[:min(len(t.all), int(ticketKeyLifetime/ticketKeyInterval))]...), now.Add(ticketKeyInterval)
	}
	return t.all
}

// identify returns the ticket ID in a connection's ClientHello, and a connection from which the ClientHello can be read again. It is
// passive.Claim.Identify, which is called when the address does not tell which session a connection belongs to.
func (srv *Server) identify(ctx context.Context, conn net.Conn) (net.Conn, string) {
	config := srv.TLS.Config().Clone()
	config.SetSessionTicketKeys(srv.tickets.keys())
	id := ""
	config.UnwrapSession = func(ticket []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		if _, id = unseal(config, ticket, cs); id != "" {
			return nil, errHelloRead
		}
		return nil, nil
	}
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if !slices.Contains(hello.Extensions, extensionPSK) && !slices.Contains(hello.Extensions, extensionTicket) {
			return nil, errHelloRead
		}
		return nil, nil
	}
	ear := &recordConn{Conn: conn}
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	tls.Server(ear, config).HandshakeContext(ctx) // always fails: recordConn cannot write
	if stop() {
		conn.SetReadDeadline(time.Time{})
	}
	return &replayConn{Conn: conn, first: io.MultiReader(&ear.heard, conn)}, id
}

// errHelloRead ends a handshake after the ClientHello.
var errHelloRead = errors.New("ClientHello is read")

// A recordConn records the bytes it reads, and fails to write.
type recordConn struct {
	net.Conn
	heard bytes.Buffer
}

func (o *recordConn) Read(p []byte) (int, error) {
	n, err := o.Conn.Read(p)
	o.heard.Write(p[:n])
	return n, err
}

func (o *recordConn) Write([]byte) (int, error) { return 0, errHelloRead }
func (o *recordConn) Close() error              { return nil }

// A replayConn returns recorded bytes before it reads from Conn.
type replayConn struct {
	net.Conn
	first io.Reader
}

func (r *replayConn) Read(p []byte) (int, error) { return r.first.Read(p) }

// NetConn returns the underlying connection, as tls.Conn does.
func (r *replayConn) NetConn() net.Conn { return r.Conn }

// A wrapper is a connection on top of another, such as *tls.Conn.
type wrapper interface{ NetConn() net.Conn }

// below returns conn, or a connection below it, as a T.
func below[T any](conn net.Conn) (v T, ok bool) {
	for conn != nil {
		if v, ok = conn.(T); ok {
			return v, true
		}
		under, is := conn.(wrapper)
		if !is {
			break
		}
		conn = under.NetConn()
	}
	return v, false
}
