package main

import (
	"context"
	"crypto/sha256"
	"os"
	"time"
)

// A digest is a hash of the files' contents, or of the errors of reading them. It notices every way of replacing them: Kubernetes, for
// one, changes a symbolic link to a parent directory.
type digest [sha256.Size]byte

// A reloader decides whether files must be installed again. It is used by one goroutine.
type reloader struct {
	seen    digest // of the content that was installed or reported last
	suspect digest // of invalid content that the last poll found, not reported yet
}

// look calls use if the files have changed or, after SIGHUP, if asked is true. It returns the error of use if it must be reported:
// after SIGHUP at once, after polls once, and only if the next poll finds the same content: somebody may be about to write the rest.
func (r *reloader) look(now digest, asked bool, use func() error) error {
	if now == r.seen && !asked {
		r.suspect = digest{}
		return nil
	}
	err := use()
	if err != nil && !asked && now != r.suspect {
		r.suspect = now
		return nil
	}
	r.seen, r.suspect = now, digest{}
	return err
}

// lookOnChange calls look with false at an interval, and with true at each SIGHUP, until ctx is done.
func lookOnChange(ctx context.Context, every time.Duration, hangups <-chan os.Signal, look func(asked bool)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			look(false)
		case <-hangups:
			look(true)
		}
	}
}
