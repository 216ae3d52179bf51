package ftp

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/s3ftpd/s3ftpd/passive"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/ftp/modez"
)

// A Server serves FTP. Only Login is required. The fields must not change while Serve runs.
type Server struct {
	// Login authenticates a client and returns its account. An error that is or wraps fs.ErrPermission means that the login is
	// refused, and its text goes to the log; any other error means that it could not be decided. ctx is cancelled when the client
	// leaves or the server shuts down.
	Login func(ctx context.Context, a proxy.Attempt) (proxy.Account, error)

	// Compat returns the settings for a client's address before login; nil = none. After login the account's apply.
	Compat func(peer netip.Addr) proxy.Compat

	// Passive has the ports for passive data connections.
	Passive passive.Ports
	// PassiveAddress returns the address for the reply to PASV; nil = the local one.
	PassiveAddress func(ctx context.Context, local, peer netip.Addr) (netip.Addr, error)
	// Active dials active data connections; nil = PORT and EPRT are refused.
	Active *passive.Dialer
	// ActiveTLS is Active for implicit TLS, with another source port; nil = Active.
	ActiveTLS *passive.Dialer

	IdleTimeout  time.Duration // between commands; 0 = 5 min
	LoginTimeout time.Duration // from connecting to login; 0 = 60 s
	DataTimeout  time.Duration // to establish a data connection; 0 = 20 s
	StallTimeout time.Duration // for a transfer without progress; 0 = 5 min
	DrainTimeout time.Duration // for running transfers at shutdown; 0 = 60 s
	DrainEnd     func()        // called after DrainTimeout, for a store that still works after its context has ended; may be nil

	// TLS configures TLS; nil = no TLS.
	TLS *TLS

	// CommitGrace is the time to wait for the end of the control connection after an upload, to notice a killed client.
	// 0 = the longest of: twice the duration of the data connection up to 20 ms, a tenth of it up to 100 ms, a round trip, 250 us.
	// On Linux it is longer for clients on this host while its processors are busy, see busyHostGrace.
	CommitGrace time.Duration

	// Sessions lists and limits sessions, and may be shared by servers. Over Max and MaxPerAddress the reply is 421, over
	// MaxPerUser 530. nil = a list of this server's own with the default limits.
	Sessions *proxy.Sessions

	Observer proxy.Observer // receives events; may be nil

	ownSessions proxy.Sessions // used if Sessions is nil
	tickets     tickets
	compressor  modez.Compressor
	panics      atomic.Uint64
}

// Panics returns the number of panics so far. Each ended its own session with 421, and no other.
func (srv *Server) Panics() uint64 { return srv.panics.Load() }

func (srv *Server) sessions() *proxy.Sessions { return cmp.Or(srv.Sessions, &srv.ownSessions) }

// errDrainTimeout ends a transfer that is not complete after the drain timeout.
var errDrainTimeout = errors.New("the server is shutting down")

// Serve accepts control connections from l until ctx is cancelled, and returns after the last session. It closes l.
//
// When ctx is cancelled, idle sessions end and running transfers get DrainTimeout; then it returns nil. An upload that the store
// is publishing at that time gets as long as the store needs to find out the result, see Store.Put, and DrainEnd is called. If l
// fails permanently, Serve drains in the same way and returns the error. Serve may run for several listeners at a time.
func (srv *Server) Serve(ctx context.Context, l net.Listener) error {
	return srv.serve(ctx, l, false)
}

// ServeTLS is Serve for implicit TLS, as on port 990. srv.TLS must be set.
func (srv *Server) ServeTLS(ctx context.Context, l net.Listener) error {
	return srv.serve(ctx, l, true)
}

func (srv *Server) serve(ctx context.Context, l net.Listener, implicit bool) error {
	processorLoad() // opens a file, which then is not an open file of a session
	d := passive.Drain{Timeout: srv.drainTimeout(), Cause: errDrainTimeout, End: srv.DrainEnd}
	return passive.Serve(ctx, l, d, func(err error) {
		srv.observer().Observe(ctx, event.AcceptFailed{Address: l.Addr().String(), Err: err})
	}, func(drain, hard context.Context, conn net.Conn, ended func()) {
		go srv.session(drain, hard, conn, implicit, ended)
	})
}

func (srv *Server) drainTimeout() time.Duration { return cmp.Or(srv.DrainTimeout, time.Minute) }

// observer returns the Observer, never nil.
func (srv *Server) observer() proxy.Observer {
	if srv.Observer == nil {
		return noObserver{}
	}
	return srv.Observer
}

// noObserver ignores all events.
type noObserver struct{}

func (noObserver) Observe(context.Context, proxy.Event) {}

// take returns *p and sets it to its zero value.
func take[T any](p *T) (v T) {
	v, *p = *p, v
	return v
}
