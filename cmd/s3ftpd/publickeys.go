package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy/auth"
)

// publicKeys returns public keys of a user as proxy/auth has them.
func publicKeys(keys []config.PublicKey) []auth.PublicKey {
	var list []auth.PublicKey
	for _, k := range keys {
		list = append(list, auth.PublicKey(k))
	}
	return list
}

// keysFile returns a function for auth.User.Keys that reads a file. It reads the file each time, so a changed key is valid from the
// next login, and a removed one no longer. Invalid lines have no keys; they are logged once for each content of the file.
func keysFile(name, user string, log *slog.Logger) func() ([]auth.PublicKey, error) {
	return readKeysFile(name, config.ParsePublicKeys, log.With("user", user))
}

// readKeysFile is keysFile with the function that parses the file.
func readKeysFile(
	name string, parse func([]byte) ([]config.PublicKey, config.Mistakes), log *slog.Logger,
) func() ([]auth.PublicKey, error) {
	var (
		mu   sync.Mutex
		seen digest
		keys []auth.PublicKey
	)
	return func() ([]auth.PublicKey, error) {
		text, err := config.ReadPublicKeys(name)
		if err != nil {
			return nil, err
		}
		mu.Lock()
		defer mu.Unlock()
		if now := digest(sha256.Sum256(text)); now != seen {
			list, mistakes := parse(text)
			keys, seen = publicKeys(list), now
			if len(mistakes) > 0 {
				log.Warn("invalid public keys are ignored", "file", name, "lines", len(mistakes), "err", fmt.Errorf("%s", mistakes[0]))
			}
		}
		return keys, nil
	}
}

// authorities returns a function for the IsUserAuthority field of sftp.Server, or nil without --sftp-user-ca. It reads the file as
// keysFile does: a removed authority is not accepted from the next login on.
func authorities(c *config.Config, log *slog.Logger) func(context.Context, ssh.PublicKey) (bool, error) {
	if c.SFTPUserCA == "" {
		return nil
	}
	read := readKeysFile(c.SFTPUserCA, config.ParseAuthorities, log.With("option", "--sftp-user-ca"))
	return func(_ context.Context, key ssh.PublicKey) (bool, error) {
		keys, err := read()
		if err != nil {
			return false, fmt.Errorf("reading --sftp-user-ca: %v", err) // not wrapped: it may be fs.ErrPermission
		}
		digest := sha256.Sum256(key.Marshal())
		return slices.ContainsFunc(keys, func(k auth.PublicKey) bool { return k.Digest == digest }), nil
	}
}
