package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/auth"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// resources are shared by all sessions of the process.
type resources struct {
	budget   *budget.Budget    // the memory of their transfers
	hashing  *auth.HashLimiter // to hash passwords, which takes a core each
	registry *s3fs.Registry    // of their changes to the bucket
	sessions *proxy.Sessions
}

func newResources(c *config.Config) resources {
	return resources{
		budget: budget.New(c.Memory), hashing: auth.NewHashLimiter(runtime.GOMAXPROCS(0)), registry: new(s3fs.Registry),
		sessions: &proxy.Sessions{Max: c.MaxSessions, MaxPerAddress: c.MaxSessionsPerIP, MaxPerUser: c.MaxSessionsPerUser},
	}
}

// overhead is the heap allowed on top of the buffers of transfers, before the garbage collector works harder.
const overhead = 32 << 20

// limitMemory has the garbage collector keep the whole program near the budget for buffers. By itself it lets garbage grow
// to the size of what is in use, which with full buffers is as much again. Whoever has set GOMEMLIMIT knows better.
func limitMemory(buffers int64) {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(buffers + overhead)
	}
}

// collectOften lets less garbage pile up than Go does by itself. The memory is in a few large buffers without pointers,
// so that to go through it costs next to nothing. GOGC says otherwise.
func collectOften(environ []string) {
	if !slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, "GOGC=") }) {
		debug.SetGCPercent(25)
	}
}
