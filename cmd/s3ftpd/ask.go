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

// A lister is what ask needs of a store.
type lister interface {
	List(ctx context.Context, dir, prefix string) iter.Seq2[proxy.Entry, error]
}

// ask lists the bucket until it answers, so that a mistake shows at the start and not at the first transfer. It logs the
// first failure, and when the bucket answers.
func ask(ctx context.Context, store lister, c *config.Config, log *slog.Logger) {
	for again := false; ; again = true {
		err := firstError(store.List(ctx, "/", ""))
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			log.Info("the bucket answers", "bucket", c.Bucket)
			return
		case again: // the log has it
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

// askAgainAfter is how long after a failure the bucket is asked again.
const askAgainAfter = 30 * time.Second

// firstError returns the error of the first entry of a listing, nil if it has none.
func firstError(listing iter.Seq2[proxy.Entry, error]) error {
	for _, err := range listing {
		return err
	}
	return nil
}
