package sftp

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/passive"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// A Server serves SFTP on SSH. Login and HostKeys are required. The fields must not change while Serve runs.
type Server struct {
	// Login authenticates a client and returns its account. An error that is or wraps fs.ErrPermission means that the login is
	// refused, proxy.ErrNeedsPassword and proxy.ErrNeedsPublicKey that another factor is needed; any other error means that it
	// could not be decided. Attempt.PublicKey is a key whose signature was verified. ctx is cancelled when the client leaves or the
	// server shuts down.
	Login func(ctx context.Context, a proxy.Attempt) (proxy.Account, error)

	// AcceptsKey reports whether Login might accept the Attempt's PublicKey, which the client has only offered. An error is as that
	// of Login. nil = no key is accepted.
	AcceptsKey func(ctx context.Context, a proxy.Attempt) error

	// IsUserAuthority reports whether a key is that of an authority whose certificates log in the users that they name. An error
	// means that it could not be decided. nil = there is no authority.
	IsUserAuthority func(ctx context.Context, key ssh.PublicKey) (bool, error)

	// HostKeys returns the keys that identify the server. It is called for each connection.
	HostKeys func() []ssh.Signer

	Algorithms Algorithms // of the key exchange, ciphers and signatures
	Banner     string     // shown before the login; "" = none
	Version    string     // of the program, for the extension vendor-id

	IdleTimeout  time.Duration // without a message from the client and without a running request; 0 = 5 min
	LoginTimeout time.Duration // from connecting to login; 0 = 60 s
	StallTimeout time.Duration // of an open upload without a WRITE; 0 = 5 min
	DrainTimeout time.Duration // for open files at shutdown; 0 = 60 s
	DrainEnd     func()        // called after DrainTimeout, for a store that still works after its context has ended; may be nil

	// Budget has the memory for what waits for clients: the beginning of each upload, WRITE requests that overtake others, SSH's
	// buffers. nil = one of this server's own of 64 MiB.
	Budget *budget.Budget

	// Keep is how many bytes at the beginning of an upload are kept until CLOSE, or until more comes; 0 = 8 MiB.
	Keep int64

	// Sessions lists and limits sessions, and may be shared by servers. nil = a list of this server's own with the default limits.
	Sessions *proxy.Sessions

	Observer proxy.Observer // receives events; may be nil

	rekey uint64 // bytes after which keys are exchanged anew, for tests; 0 = as package ssh does

	// subsystem replaces connection.serveSFTP in tests.
	subsystem func(c *connection, ctx context.Context, channel io.ReadWriter) error

	refusing    atomic.Int64   // connections that are being refused
	ownSessions proxy.Sessions // used if Sessions is nil
	ownBudget   struct {       // used if Budget is nil
		once sync.Once
		*budget.Budget
	}
}

// ErrNoHostKey means that none of the host keys may be used with the Algorithms, see [Algorithms.HostKeys].
var ErrNoHostKey = errors.New("the algorithms allow none of the host keys")

// errDrainTimeout ends what is not complete after the drain timeout.
var errDrainTimeout = errors.New("the server is shutting down")

// Serve accepts connections from l until ctx is cancelled, and returns after the last session. It closes l.
//
// When ctx is cancelled, idle sessions end, and sessions with open files get DrainTimeout; then it returns nil. If l fails
// permanently, Serve drains in the same way and returns the error. It returns ErrNoHostKey if the Algorithms allow none of HostKeys.
func (srv *Server) Serve(ctx context.Context, l net.Listener) error {
	if len(srv.Algorithms.HostKeys(srv.HostKeys())) == 0 {
		l.Close()
		return ErrNoHostKey
	}
	d := passive.Drain{Timeout: srv.drainTimeout(), Cause: errDrainTimeout, End: srv.DrainEnd}
	return passive.Serve(ctx, l, d, func(err error) {
		srv.observe(ctx, event.AcceptFailed{Address: l.Addr().String(), Err: err})
	}, func(drain, hard context.Context, conn net.Conn, ended func()) {
		go func() {
			defer ended()
			srv.session(drain, hard, conn)
		}()
	})
}

// observe tells the Observer of an event.
func (srv *Server) observe(ctx context.Context, e proxy.Event) {
	if srv.Observer != nil {
		srv.Observer.Observe(ctx, e)
	}
}

func (srv *Server) sessions() *proxy.Sessions { return cmp.Or(srv.Sessions, &srv.ownSessions) }

func (srv *Server) drainTimeout() time.Duration { return cmp.Or(srv.DrainTimeout, time.Minute) }

// ownBudgetSize is the size of a server's own budget.
const ownBudgetSize = 64 << 20

func (srv *Server) budget() *budget.Budget {
	if srv.Budget != nil {
		return srv.Budget
	}
	srv.ownBudget.once.Do(func() { srv.ownBudget.Budget = budget.NewShared(ownBudgetSize) })
	return srv.ownBudget.Budget
}
