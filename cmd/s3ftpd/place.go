package main

import (
	"log/slog"
	"runtime"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy/auth"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// resources are shared by all sessions of the process.
type resources struct {
	budget *budget.Budget // the memory of their transfers
	turns  *auth.Turns    // to hash passwords, which takes a core each

	registry *s3fs.Registry // of their changes to the bucket
}

func newResources(c *config.Config) resources {
	return resources{budget: budget.New(c.Memory), turns: auth.NewTurns(runtime.GOMAXPROCS(0)), registry: new(s3fs.Registry)}
}

// place says where in the service the files lie, and how they are written there.
func place(c *config.Config, client *s3fs.Client, b *budget.Budget, log *slog.Logger) s3fs.Options {
	o := s3fs.Options{Bucket: c.Bucket, Prefix: c.Prefix, Budget: b, PartSize: c.PartSize,
		Attributes: s3fs.Attributes{StorageClass: c.StorageClass, SSE: c.SSE, KMSKey: c.SSEKMSKey, ACL: c.ACL, Tags: c.Tags},
		Resume:     c.Resume, RenameMax: c.RenameMax, Stall: c.StallTimeout, Log: log,
		ListMtime: c.ListMtime}
	if c.Resume == 0 {
		o.Resume = -1 // off
	}
	o.MaxParts, o.UniformParts = client.PartLimits()
	if c.MaxParts != 0 {
		o.MaxParts = c.MaxParts
	}
	if c.UniformParts != nil {
		o.UniformParts = *c.UniformParts
	}
	return o
}
