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
	budget   *budget.Budget    // memory for transfers
	hashing  *auth.HashLimiter // limits parallel password hashing, which takes one core each
	registry *s3fs.Registry    // uploads and other changes to the bucket in progress
	sessions *proxy.Sessions
}

func newResources(c *config.Config) resources {
	return resources{
		budget: budget.New(c.Memory), hashing: auth.NewHashLimiter(runtime.GOMAXPROCS(0)), registry: new(s3fs.Registry),
		sessions: &proxy.Sessions{Max: c.MaxSessions, MaxPerAddress: c.MaxSessionsPerIP, MaxPerUser: c.MaxSessionsPerUser},
	}
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

// collectOften makes the garbage collector run more often than by default. That is cheap, because most of the heap is in a few large
// buffers without pointers. A value of GOGC in the environment is kept.
func collectOften(environ []string) {
	if !slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, "GOGC=") }) {
		debug.SetGCPercent(25)
	}
}
