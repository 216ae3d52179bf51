package sftp

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// A connection is an SSH connection, and a session of proxy.Sessions. Its channels share it.
type connection struct {
	srv     *Server
	entry   *proxy.Session
	hard    context.Context // has the session, for log lines; cancelled when the drain timeout is over or the connection has ended
	drain   context.Context // cancelled when the session must end as soon as no file is open
	pending atomic.Int64    // requests without an answer: while there are some, the idle timeout does not end the session
	handles atomic.Int64    // open ones of all channels: while there are some, a drain does not end the session

	directories atomic.Int64 // open ones without memory of the budget

	// stored is the context of uploads. It has the session too, and goes on after the end of the connection: the store keeps what is
	// needed to resume, and completes what CLOSE has asked for. It is cancelled when the drain timeout is over.
	stored   context.Context
	memory   *budget.Share // the user's
	known    knownDirs
	reported reportedUploads
	uploads  openUploads
	readers  idleReaders
	refusals event.Refusals

	ended     context.Context // as hard, without the user; never changes
	socket    *socket
	unread    *unread
	announced atomic.Bool // SessionStart was reported

	mu       sync.Mutex
	account  proxy.Account
	channels map[*channel]bool // with a running subsystem
	last     bool              // the client opens no more channels
}

// refresh returns the account as it is now. The error ends the session: the user may have no sessions any more. Each request
// calls it.
func (c *connection) refresh() (proxy.Account, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.account.Now == nil {
		return c.account, nil
	}
	now, err := c.account.Now()
	if err != nil {
		return proxy.Account{}, proxy.ErrUserRemoved
	}
	if now != nil {
		if now.Place != c.account.Place {
			c.known.clear()
		}
		now.Now, now.Release = c.account.Now, c.account.Release
		c.account = *now
		c.entry.SetLimits(now.Limits)
	}
	return c.account, nil
}

// observe tells the Observer of an event of the session.
func (c *connection) observe(ctx context.Context, e proxy.Event) { c.srv.observe(ctx, e) }
