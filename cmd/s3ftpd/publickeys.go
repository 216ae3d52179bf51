package main

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"sync"

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
			list, mistakes := config.ParsePublicKeys(text)
			keys, seen = publicKeys(list), now
			if len(mistakes) > 0 {
				log.Warn("invalid public keys are ignored", "user", user, "file", name, "lines", len(mistakes), "err", fmt.Errorf("%s", mistakes[0]))
			}
		}
		return keys, nil
	}
}
