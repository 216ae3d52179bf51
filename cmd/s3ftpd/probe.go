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
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// A lister is the part of proxy.Store that probeBucket uses.
type lister interface {
	List(ctx context.Context, dir, prefix string) iter.Seq2[proxy.Entry, error]
}

// probeS3 asks S3 at the start. If users log in with S3 keys, the server may have none of its own, so it asks with made-up keys.
func probeS3(ctx context.Context, client *s3fs.Client, store lister, c *config.Config, log *slog.Logger) {
	switch {
	case c.User == "" && len(c.Auth) > 0:
		for _, source := range c.Auth {
			askSource(ctx, client, source, c, log)
		}
	case c.Bucket != "": // else each user of the hook has its own
		probeBucket(ctx, store, c, log)
	}
}

// The made-up keys of askSource and of check, which S3 must refuse. They are a made-up user of LDAP too. The secret key is no secret.
const madeUpKey, madeUpSecret = "S3FTPDCHECKS0MADEUP0", "made-up-by-s3ftpd-to-see-that-S3-refuses-it"

// errAnyKeys means that S3 does not verify keys.
var errAnyKeys = errors.New("S3 accepts made-up keys: it lets clients log in with any password")

// refusesMadeUp asks a source of --auth with made-up keys. It returns nil if S3 refuses them.
func refusesMadeUp(ctx context.Context, client *s3fs.Client, source string, c *config.Config) error {
	var err error
	if source == config.LDAP {
		_, err = client.LoginLDAP(ctx, madeUpKey, madeUpSecret)
	} else {
		err = client.WithKeys(madeUpKey, madeUpSecret).VerifyKeys(ctx, c.Bucket, c.Prefix)
	}
	switch {
	case err == nil:
		return errAnyKeys
	case errors.Is(err, s3fs.ErrWrongKeys), errors.Is(err, s3fs.ErrUnknownLDAPUser), errors.Is(err, s3fs.ErrRefusedLDAPUser):
		return nil
	}
	return err
}

// askSource asks a source of --auth with made-up keys, and logs whether it verifies logins.
func askSource(ctx context.Context, client *s3fs.Client, source string, c *config.Config, log *slog.Logger) {
	err := refusesMadeUp(ctx, client, source, c)
	switch {
	case ctx.Err() != nil:
	case err == nil && source == config.LDAP:
		log.Info("S3 answers, and verifies users of LDAP")
	case err == nil:
		log.Info("S3 answers, and verifies keys")
	case errors.Is(err, errAnyKeys):
		log.Error("any keys can log in", "option", "--auth "+source, "err", err)
	default:
		log.Error("S3 does not answer; logins fail until it does", "option", "--auth "+source, "err", err)
	}
}

// probeBucket lists the bucket, and retries until that succeeds, so that a wrong configuration is logged at the start and not at the
// first transfer. It logs the first failure and the success.
func probeBucket(ctx context.Context, store lister, c *config.Config, log *slog.Logger) {
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
		case <-time.After(probeInterval):
		}
	}
}

// probeInterval is the delay before a retry.
const probeInterval = 30 * time.Second

// firstError returns the error of the first entry of a listing, nil if it has none.
func firstError(listing iter.Seq2[proxy.Entry, error]) error {
	for _, err := range listing {
		return err
	}
	return nil
}
