package main

import (
	"log/slog"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/config"
)

// checkSFTP reports the host keys and the public keys of the user in the options.
func checkSFTP(r *report, c *config.Config) {
	if c.SFTP == "" {
		return
	}
	checkHostKeys(r, c)
	checkAuthorities(r, c)
	if c.AuthorizedKeys != "" { // load has reported invalid ones
		keys, err := keysFile(c.AuthorizedKeys, c.User, slog.New(slog.DiscardHandler))()
		if err != nil {
			r.fail("authorized-keys", "", "--authorized-keys %q: %v", c.AuthorizedKeys, err)
			return
		}
		r.ok("authorized-keys", "%d public keys in --authorized-keys %q log %s in", len(keys), c.AuthorizedKeys, c.User)
	}
}

// checkAuthorities reports the authorities of users' certificates.
func checkAuthorities(r *report, c *config.Config) {
	const check = "sftp-user-ca"
	if c.SFTPUserCA == "" { // load has reported an invalid file
		return
	}
	keys, err := readKeysFile(c.SFTPUserCA, config.ParseAuthorities, slog.New(slog.DiscardHandler))()
	if err != nil {
		r.fail(check, "", "--sftp-user-ca %q: %v", c.SFTPUserCA, err)
		return
	}
	for _, key := range keys {
		r.ok(check, "--sftp-user-ca %q: certificates of %s log in the users that they name", c.SFTPUserCA, config.PublicKey(key).Fingerprint())
	}
}

func checkHostKeys(r *report, c *config.Config) {
	const check = "host-key"
	if c.SFTPHostKeys.Generate {
		r.warn(check, hostKeyAdvice, "host keys are made at each start, and clients refuse changed ones, since --sftp-host-key is generate")
		return
	}
	keys, err := readHostKeys(c)
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			r.fail(check, "", "%s", line)
		}
		return
	}
	others := false
	for _, key := range keys {
		kind := key.PublicKey().Type()
		others = others || kind != ssh.KeyAlgoED25519
		r.ok(check, "%s: %s key, fingerprint %s", key.source, kind, ssh.FingerprintSHA256(key.PublicKey()))
	}
	for _, name := range c.SFTPHostKeys.Files {
		if readableByOthers(name) {
			r.warn(check, "chmod 600 "+name, "other users of this machine can read --sftp-host-key %q", name)
		}
	}
	if c.SFTPAlgorithms == "legacy" && !others {
		r.warn(check, "make an RSA key with `ssh-keygen -t rsa -b 3072 -N '' -f FILE`, and add it to --sftp-host-key",
			"the only host key is of the type ed25519, which few of the old devices know that --sftp-algorithms legacy is for")
	}
}
