package ftp

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s3ftpd/s3ftpd/passive"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/ftp/modez"
)

// Server serves FTP. Only Login has to be set; the fields must not change while Serve runs.
type Server struct {
	// Login answers an attempt to log in with the user's account.
	// fs.ErrPermission means a wrong name or password, any other error that it could not be decided. An error that wraps
	// fs.ErrPermission says more for the log. ctx ends when the client leaves or the server is going down.
	Login func(ctx context.Context, a proxy.Attempt) (proxy.Account, error)

	// Compat returns what the devices at a client's address need before the login; nil = nothing. From then on the account tells.
	Compat func(peer netip.Addr) proxy.Compat

	// Passive is the range of ports for passive data connections.
	Passive passive.Ports
	// PassiveAddress says which address a reply to PASV gives to a client; nil = the local one.
	PassiveAddress func(ctx context.Context, local, peer netip.Addr) (netip.Addr, error)
	// Active opens active data connections; nil = PORT and EPRT are refused.
	Active *passive.Dialer
	// ActiveTLS does so on sessions that begin with TLS, whose source port is another; nil = Active does.
	ActiveTLS *passive.Dialer

	IdleTimeout  time.Duration // without a command; 0 = 5 min
	LoginTimeout time.Duration // from connecting to being logged in; 0 = 60 s
	DataTimeout  time.Duration // for a data connection to be made; 0 = 20 s
	StallTimeout time.Duration // for a transfer without progress; 0 = 5 min
	DrainTimeout time.Duration // for running transfers when Serve is to end; 0 = 60 s
	DrainEnd     func()        // called when DrainTimeout is over, for what a store goes on with after its context has ended; nil = nothing

	// TLS secures control and data connections; nil = all is in clear.
	TLS *TLS

	// CommitGrace is how long the end of the control connection is waited for at the end of an upload.
	// 0 = twice the time from the data connection's begin to its end but at most 20 ms, or a tenth of that time but
	// at most 100 ms, whichever is more, and at least one round trip as the kernel measured it, and 250 us. For a client
	// on this host it is more where other tasks want the processors, on Linux: see busyHostGrace.
	CommitGrace time.Duration

	// Sessions lists and limits the sessions, together with those of other servers that share it. Over Max and MaxPerAddress a
	// client gets 421, over MaxPerUser 530. Nil = those of this server alone, with the default limits.
	Sessions *proxy.Sessions

	Observer proxy.Observer // hears of all that happens; nil = none

	ownSessions proxy.Sessions // where Sessions is nil
	tickets     tickets
	compressor  modez.Compressor
	panics      atomic.Uint64
}

// Panics returns how many sessions a fault of the program has ended so far; each got 421, and no other was touched.
func (srv *Server) Panics() uint64 { return srv.panics.Load() }

func (srv *Server) sessions() *proxy.Sessions { return cmp.Or(srv.Sessions, &srv.ownSessions) }

// errDrainTimeout is why a transfer ends that the drain time-out cuts short.
var errDrainTimeout = errors.New("the server is going down")

// Serve accepts control connections from l, which it closes, and returns when the last session is over.
//
// When ctx is cancelled it accepts no more, lets idle sessions go, and gives running transfers DrainTimeout
// to finish; then it returns nil. An upload that the store is publishing when that is over has as much longer as the
// store takes to find out what became of it, see Store.Put, and DrainEnd is called. When l fails for good, Serve drains in the same way and
// returns the error.
// More than one Serve may run at a time; limits count their sessions together.
func (srv *Server) Serve(ctx context.Context, l net.Listener) error {
	return srv.serve(ctx, l, false)
}

// ServeTLS is Serve for connections that begin with TLS, as on port 990. srv.TLS has to be set.
func (srv *Server) ServeTLS(ctx context.Context, l net.Listener) error {
	return srv.serve(ctx, l, true)
}

func (srv *Server) serve(ctx context.Context, l net.Listener, implicit bool) error {
	drain, stopAccepting := context.WithCancel(ctx)
	defer stopAccepting()
	context.AfterFunc(drain, func() { l.Close() })

	// hard outlives drain by the drain time-out; transfers hang on it.
	hard, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	var sessions sync.WaitGroup
	err := srv.accept(drain, l, func(conn net.Conn) {
		sessions.Go(func() { srv.session(drain, hard, conn, implicit) })
	})
	stopAccepting()
	timer := time.AfterFunc(srv.drainTimeout(), func() {
		cut(errDrainTimeout)
		if srv.DrainEnd != nil {
			srv.DrainEnd()
		}
	})
	defer timer.Stop()
	sessions.Wait()
	return err
}

func (srv *Server) drainTimeout() time.Duration { return cmp.Or(srv.DrainTimeout, time.Minute) }

// accept calls serve with each connection until ctx is done or l fails for good.
func (srv *Server) accept(ctx context.Context, l net.Listener, serve func(net.Conn)) error {
	for {
		conn, err := passive.Accept(ctx, l, func(err error) {
			srv.observer().Observe(ctx, event.AcceptFailed{Address: l.Addr().String(), Err: err})
		})
		switch {
		case err == nil:
			serve(conn)
		case ctx.Err() != nil:
			return nil
		default:
			return err
		}
	}
}

// observer returns who hears of events; it is never nil.
func (srv *Server) observer() proxy.Observer {
	if srv.Observer == nil {
		return noObserver{}
	}
	return srv.Observer
}

// nobody is an Observer that ignores all events.
type noObserver struct{}

func (noObserver) Observe(context.Context, proxy.Event) {}

// take returns what was said and not yet spent, and spends it.
func take[T any](p *T) (v T) {
	v, *p = *p, v
	return v
}
