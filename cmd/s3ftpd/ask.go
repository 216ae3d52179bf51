package main

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"log/slog"
	"strings"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// A lister is what ask needs of a store.
type lister interface {
	List(ctx context.Context, dir, prefix string) iter.Seq2[proxy.Entry, error]
}

// ask looks into the bucket once, so that what is wrong shows at the start and not at the first transfer.
// It changes nothing: the service may come up later.
func ask(ctx context.Context, store lister, c *config.Config, log *slog.Logger) {
	var err error
	for _, err = range store.List(ctx, "/", "") {
		break
	}
	switch {
	case err == nil:
		log.Info("the bucket answers", "bucket", c.Bucket)
	case ctx.Err() == nil:
		log.Error("the bucket does not answer; transfers will fail until it does", "bucket", c.Bucket,
			"advice", advice(err), "err", err)
	}
}

// advice says what to do about a bucket that does not answer.
func advice(err error) string {
	special := s3fs.Advice(err)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return strings.TrimSuffix("check the keys (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) and what they may do: list, read, write and delete; "+special, "; ")
	case special != "":
		return special
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, s3fs.ErrNoBucket):
		return "make the bucket, or check --bucket"
	}
	return "check --endpoint and --region, the keys (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), and whether the service is up"
}
