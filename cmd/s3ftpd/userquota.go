package main

import (
	"context"
	"path"
	"slices"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy/grant"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// A bucketAtEndpoint identifies a bucket, whatever credentials it is used with.
type bucketAtEndpoint struct{ endpoint, bucket string }

func bucketAt(client *s3fs.Client, m config.Mount) bucketAtEndpoint {
	return bucketAtEndpoint{client.Endpoint(), m.Bucket}
}

// dirOf returns the directory of the bucket that a mount shows.
func dirOf(m config.Mount) string { return path.Clean("/" + m.Prefix) }

// counted returns the places that count towards the quota of a user: those that the user can write to.
func (p *places) counted(client *s3fs.Client, u *config.User) (list []grant.Place) {
	if u.Quota == (config.UserQuota{}) {
		return nil
	}
	for _, m := range u.Mounts {
		if slices.Contains(m.Permissions, "write") || slices.Contains(m.Permissions, "overwrite") {
			list = append(list, grant.Place{Bucket: bucketAt(client, m), Dir: dirOf(m), Usage: p.usage(u, m)})
		}
	}
	return list
}

// usage returns a function that counts what lies in a place.
func (p *places) usage(u *config.User, m config.Mount) func(context.Context) (bytes, files int64, err error) {
	return func(ctx context.Context) (bytes, files int64, err error) {
		store, release := p.store(u, m)
		defer release()
		bytes, files, err = store.Usage(ctx, "/")
		switch {
		case err == nil:
			p.log.Debug("quota counted", "user", u.Name, "bucket", m.Bucket, "prefix", m.Prefix, "bytes", bytes, "files", files)
		case ctx.Err() == nil:
			p.log.Warn("quota not counted", "user", u.Name, "bucket", m.Bucket, "prefix", m.Prefix, "err", err)
		}
		return bytes, files, err
	}
}

// store returns the store of a user's place, without permissions, to be used until release is called.
func (p *places) store(u *config.User, m config.Mount) (store *s3fs.FS, release func()) {
	client, release := p.clients.Client(accessOf(u))
	o := p.options(client)
	o.Bucket, o.Prefix = m.Bucket, m.Prefix
	applyAttributes(&o.Attributes, u.Attributes)
	return s3fs.NewFS(client, o), release
}
