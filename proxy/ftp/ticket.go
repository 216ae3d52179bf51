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

// A ticket is what a client shows to resume a TLS session. Ours say, sealed, which session of FTP they were issued to: that
// a data connection resumes a TLS session proves nothing, as long as it can be the one of another client.

// newTicketID names a session in its tickets. Unlike the name in the log it never comes twice.
func newTicketID() string { return rand.Text() }

// extra marks our part of what a ticket holds.
const ticketPrefix = "s3ftpd session "

// seal makes a ticket of this session.
func (c *tlsSession) seal(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
	ss.Extra = append(ss.Extra, []byte(ticketPrefix+c.id))
	return c.config.EncryptTicket(cs, ss)
}

// unseal returns the TLS session of a ticket, and whose it is; nothing if it is none of ours.
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
	ticketKeyInterval = 12 * time.Hour     // a key seals the tickets of sessions that begin
	ticketKeyLifetime = 7 * 24 * time.Hour // and opens them as long as TLS lets a ticket live
)

// tickets are the keys that seal tickets; they are in the memory of this process alone. The zero value makes them when asked.
type tickets struct {
	mu  sync.Mutex
	all [][32]byte // the newest first
	due time.Time  // for the next one
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

// identify returns which session's ticket a connection shows in its first message, and a connection that says it all again.
// It is passive.Claim.Identify, called when the address does not tell whose a connection is.
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
	tls.Server(ear, config).HandshakeContext(ctx) // in vain: it cannot write
	if stop() {
		conn.SetReadDeadline(time.Time{})
	}
	return &replayConn{Conn: conn, first: io.MultiReader(&ear.heard, conn)}, id
}

// errHelloRead ends a handshake of which nothing but its beginning is wanted.
var errHelloRead = errors.New("heard enough")

// An overheard connection keeps what is read from it, and writes nothing.
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

// A retold connection begins with what was read from it already.
type replayConn struct {
	net.Conn
	first io.Reader
}

func (r *replayConn) Read(p []byte) (int, error) { return r.first.Read(p) }

// NetConn returns the connection itself, as tls.Conn has it.
func (r *replayConn) NetConn() net.Conn { return r.Conn }

// A wrapper is a connection that was made of another one, as a *tls.Conn.
type wrapper interface{ NetConn() net.Conn }

// below returns what can do more than a net.Conn must: the connection itself, or the one that it was made of.
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
