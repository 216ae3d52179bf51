package main

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"log/slog"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
)

// A lister is the part of proxy.Store that ask uses.
type lister interface {
	List(ctx context.Context, dir, prefix string) iter.Seq2[proxy.Entry, error]
}

// ask lists the bucket, and retries until that succeeds, so that a wrong configuration is logged at the start and not at the
// first transfer. It logs the first failure and the success.
func ask(ctx context.Context, store lister, c *config.Config, log *slog.Logger) {
	for again := false; ; again = true {
		err := firstError(store.List(ctx, "/", ""))
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			log.Info("the bucket answers", "bucket", c.Bucket)
			return
		case again: // already logged
		case errors.Is(err, fs.ErrPermission):
			log.Warn("the bucket answers, but cannot be listed", "bucket", c.Bucket, "err", err)
		default:
			log.Error("the bucket does not answer; transfers fail until it does", "bucket", c.Bucket, "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(askAgainAfter):
		}
	}
}

// askAgainAfter is the delay before a retry.
const askAgainAfter = 30 * time.Second

// firstError returns the error of the first entry of a listing, nil if it has none.
func firstError(listing iter.Seq2[proxy.Entry, error]) error {
	for _, err := range listing {
		return err
	}
	return nil
}
