package main

import (
	"log/slog"
	"math"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/auth"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// resources are shared by all sessions of the process.
type resources struct {
	budget   *budget.Budget    // memory for transfers
	hashing  *auth.HashLimiter // limits parallel password hashing
	registry *s3fs.Registry    // uploads and other changes to the bucket in progress
	sessions *proxy.Sessions
	bans     *auth.Bans // of clients, for all sources of users
	observer proxy.Observer
}

// newResources returns the resources for the users of the options, and those of a users file unless that is nil.
func newResources(c *config.Config, file *accounts) resources {
	list := users(c, slog.New(slog.DiscardHandler))
	if file != nil {
		list = file.logins(file.users.Load())
	}
	hashing := auth.NewHashLimiter(runtime.GOMAXPROCS(0), c.Memory, auth.LargestHash(list))
	if c.AuthURL != "" {
		hashing.ExpectOthers()
	}
	bans := &auth.Bans{After: c.BanAfter, Time: c.BanTime, Exempt: slices.Concat(c.BanExempt, c.ProxyProtocolFrom)}
	return resources{
		budget: newBudget(c, c.Memory-hashing.Memory()), hashing: hashing, registry: new(s3fs.Registry),
		sessions: &proxy.Sessions{
			Max: c.MaxSessions, MaxPerAddress: c.MaxSessionsPerIP, MaxPerUser: c.MaxSessionsPerUser, Refuse: bans.Refuse,
		},
		bans: bans,
	}
}

// newBudget returns a memory budget of that many bytes. It is shared fairly if the configuration can have several users.
func newBudget(c *config.Config, bytes int64) *budget.Budget {
	if c.Users != "" || len(c.Auth) > 0 || c.AuthURL != "" {
		return budget.NewShared(bytes)
	}
	return budget.New(bytes)
}

// overhead is the heap allowance on top of the transfer buffers. Above the sum the garbage collector runs more often.
const overhead = 32 << 20

// limitMemory sets the memory limit of the garbage collector near the budget for transfer buffers. By default garbage can grow to
// the size of the live heap, which doubles the memory when the buffers are full. A limit from GOMEMLIMIT is kept.
func limitMemory(buffers int64) {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(buffers + overhead)
	}
}
