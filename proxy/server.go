package proxy

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s3ftpd/s3ftpd/passive"
)

// Server serves FTP. Only Login has to be set; the fields must not change while Serve runs.
type Server struct {
	// Login answers an attempt to log in with the files the user may see as "/".
	// fs.ErrPermission means a wrong name or password, any other error that it could not be decided.
	Login func(ctx context.Context, a Attempt) (Store, error)

	// Habits tells what the devices of a user, or of a client's address, do otherwise; nil = nothing. It is asked with the
	// user "" when a session begins, and again at the login.
	Habits func(user string, peer netip.Addr) Habits

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

	// TLS secures control and data connections; nil = all is in clear.
	TLS *TLS

	// CommitGrace is how long the end of the control connection is waited for at the end of an upload.
	// 0 = one round trip of the control connection as the kernel measured it, or a tenth of the time that the
	// upload took if that is longer, from 1 ms to 100 ms.
	CommitGrace time.Duration

	MaxSessions int // 0 = 1024; over that: 421
	MaxPerIP    int // 0 = 50; over that: 421
	MaxPerUser  int // 0 = 50; over that: 530

	Log *slog.Logger // nil = slog.Default()

	begin   sync.Once
	census  census
	tickets tickets
	panics  atomic.Uint64
}

// Panics returns how many sessions a fault of the program has ended so far; each got 421, and no other was touched.
func (srv *Server) Panics() uint64 { return srv.panics.Load() }

// Attempt is what a client says of itself to log in.
type Attempt struct {
	User, Password string
	Peer           netip.AddrPort
	Certificate    *x509.Certificate // of the client, verified; nil = none
}

// errGoingDown is why a transfer ends that the drain time-out cuts short.
var errGoingDown = errors.New("the server is going down")

// Serve accepts control connections from l, which it closes, and returns when the last session is over.
//
// When ctx is cancelled it accepts no more, lets idle sessions go, and gives running transfers DrainTimeout
// to finish; then it returns nil. When l fails for good, Serve drains in the same way and returns the error.
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
	timer := time.AfterFunc(cmp.Or(srv.DrainTimeout, time.Minute), func() { cut(errGoingDown) })
	defer timer.Stop()
	sessions.Wait()
	return err
}

// accept calls serve with each connection until ctx is done or l fails for good.
func (srv *Server) accept(ctx context.Context, l net.Listener, serve func(net.Conn)) error {
	for pause := time.Duration(0); ; {
		conn, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			serve(conn)
		case ctx.Err() != nil:
			return nil
		case isTemporary(err):
			// Out of descriptors, or a peer that left at once: as in net/http, try again, ever slower.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			srv.log().Warn("cannot accept a connection", "err", err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pause):
			}
		default:
			return err
		}
	}
}

func isTemporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

func (srv *Server) log() *slog.Logger { return cmp.Or(srv.Log, slog.Default()) }

// take returns what was said and not yet spent, and spends it.
func take[T any](p *T) (v T) {
	v, *p = *p, v
	return v
}
