package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/config"
)

// hostKeys holds the current private keys of the SFTP server, and replaces them on SIGHUP.
type hostKeys struct {
	c   *config.Config
	log *slog.Logger
	now atomic.Pointer[[]hostKey]
}

// A hostKey is a private key of the SFTP server, and the file or the variable that it comes from.
type hostKey struct {
	ssh.Signer
	source string
}

// openHostKeys reads the configured keys, or makes new ones. It returns nil if SFTP is off.
func openHostKeys(c *config.Config, log *slog.Logger) (*hostKeys, error) {
	if c.SFTP == "" {
		return nil, nil
	}
	k := &hostKeys{c: c, log: log}
	if !c.SFTPHostKeys.Generate {
		return k, k.use()
	}
	keys, err := generateHostKeys(c.SFTPAlgorithms)
	if err != nil {
		return nil, fmt.Errorf("--sftp-host-key generate: %w", err)
	}
	k.install(keys)
	log.Warn("host keys are made at each start, and clients refuse changed ones", "option", "--sftp-host-key generate", "advice", hostKeyAdvice)
	return k, nil
}

// hostKeyAdvice says how to get a host key that stays the same.
const hostKeyAdvice = "make a key with `ssh-keygen -t ed25519 -N '' -f s3ftpd_host_key`, and set --sftp-host-key s3ftpd_host_key"

// signers returns the current keys.
func (k *hostKeys) signers() (list []ssh.Signer) {
	for _, key := range *k.now.Load() {
		list = append(list, key.Signer)
	}
	return list
}

// use installs the configured keys. On error the current ones stay.
func (k *hostKeys) use() error {
	keys, err := readHostKeys(k.c)
	if err != nil {
		return err
	}
	k.install(keys)
	for _, name := range k.c.SFTPHostKeys.Files {
		if readableByOthers(name) {
			k.log.Warn("other users of this machine can read the host key", "file", name, "advice", "chmod 600 "+name)
		}
	}
	return nil
}

func (k *hostKeys) install(keys []hostKey) {
	k.now.Store(&keys)
	for _, key := range keys {
		k.log.Info("host key", "type", key.PublicKey().Type(), "fingerprint", ssh.FingerprintSHA256(key.PublicKey()), "source", key.source)
	}
}

// reloadOnHangup reads the keys again at each SIGHUP, until ctx is done.
func (k *hostKeys) reloadOnHangup(ctx context.Context, hangups <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			k.reload()
		}
	}
}

// reload reads the keys again, unless they were made at the start.
func (k *hostKeys) reload() {
	if k.c.SFTPHostKeys.Generate {
		return
	}
	if err := k.use(); err != nil {
		k.log.Warn("new host keys are invalid, keeping the current ones", "advice", "put right the files of --sftp-host-key, and send SIGHUP again", "err", err)
	}
}

// readHostKeys reads the configured keys.
func readHostKeys(c *config.Config) (keys []hostKey, err error) {
	const option = "--sftp-host-key"
	files := []pemFile{{option: "S3FTPD_SFTP_HOST_KEY", text: []byte(c.SFTPHostKeys.Text)}}
	if c.SFTPHostKeys.Text == "" {
		files = nil
	}
	for _, name := range c.SFTPHostKeys.Files {
		files = append(files, readPEM(option, name))
	}
	var errs []error
	types := map[string]string{}
	for _, f := range files {
		list, err := f.hostKeys()
		errs = append(errs, err)
		for _, key := range list {
			kind := key.PublicKey().Type()
			switch other, exists := types[kind]; {
			case exists:
				errs = append(errs, f.bad("must be of another type than the %s key in %s: a server has one key of each type", kind, other))
			default:
				errs = append(errs, f.checkHostKey(key, c.SFTPAlgorithms))
			}
			types[kind] = key.source
		}
		keys = append(keys, list...)
	}
	return keys, errors.Join(errs...)
}

// hostKeys returns the private keys in a file.
func (f pemFile) hostKeys() (keys []hostKey, err error) {
	if bytes.HasPrefix(f.text, []byte("PuTTY-User-Key-File")) {
		return nil, f.bad("must be in OpenSSH's format; `puttygen OLD -O private-openssh-new -o NEW` converts it")
	}
	blocks, err := f.blocks(pemKey)
	for _, b := range blocks {
		signer, err := ssh.ParsePrivateKey(pem.EncodeToMemory(b))
		switch {
		case errors.As(err, new(*ssh.PassphraseMissingError)) || b.Type == "ENCRYPTED "+pemKey:
			return nil, f.bad("is encrypted, and s3ftpd cannot ask for its passphrase; `ssh-keygen -p -N '' -f FILE` decrypts it")
		case err != nil:
			return nil, f.bad("%w", err)
		}
		keys = append(keys, hostKey{signer, f.source()})
	}
	return keys, err
}

// minHostRSA is the least length of an RSA key in bits, and strictHostRSA that with --sftp-algorithms strict.
const minHostRSA, strictHostRSA = 2048, 3072

// checkHostKey returns an error about a key that is not good enough.
func (f pemFile) checkHostKey(key hostKey, algorithms string) error {
	least, kinds := minHostRSA, "ed25519, ECDSA or RSA"
	if algorithms == "strict" {
		least, kinds = strictHostRSA, "ed25519 or RSA with --sftp-algorithms strict"
	}
	switch public := key.PublicKey().(ssh.CryptoPublicKey).CryptoPublicKey().(type) {
	case ed25519.PublicKey:
	case *rsa.PublicKey:
		if n := public.N.BitLen(); n < least {
			return f.bad("is an RSA key of %d bits: must have at least %d", n, least)
		}
	case *ecdsa.PublicKey:
		if algorithms == "strict" {
			return f.bad("is an ECDSA key: must be %s", kinds)
		}
	default:
		return f.bad("is a key of the type %s: must be %s", key.PublicKey().Type(), kinds)
	}
	return nil
}

// generateHostKeys makes a key of each type.
func generateHostKeys(algorithms string) (keys []hostKey, err error) {
	for _, kind := range hostKeyTypes {
		if algorithms == "strict" && kind.name == "ecdsa" {
			continue
		}
		private, err := kind.generate()
		if err != nil {
			return nil, err
		}
		signer, err := ssh.NewSignerFromKey(private)
		if err != nil {
			return nil, err
		}
		keys = append(keys, hostKey{signer, "generate"})
	}
	return keys, nil
}

// hostKeyTypes are the types of keys that are made, under the names of ssh-keygen.
var hostKeyTypes = []struct {
	name     string
	generate func() (any, error)
}{
	{"ed25519", func() (any, error) { _, key, err := ed25519.GenerateKey(rand.Reader); return key, err }},
	{"ecdsa", func() (any, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }},
	{"rsa", func() (any, error) { return rsa.GenerateKey(rand.Reader, strictHostRSA) }},
}

// ownHostKeys returns the files of the keys that a directory keeps for the demo. It makes those that do not exist.
func ownHostKeys(dir string) (files []string, err error) {
	for _, kind := range hostKeyTypes[:2] { // an RSA key takes long to make, and few clients need one
		name := filepath.Join(dir, "ssh_host_"+kind.name+"_key")
		if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
			if err := writeHostKey(name, kind.generate); err != nil {
				return nil, fmt.Errorf("making a host key for SFTP: %w", err)
			}
		}
		files = append(files, name)
	}
	return files, nil
}

// writeHostKey makes a key, and writes it as a whole or not at all.
func writeHostKey(name string, generate func() (any, error)) error {
	private, err := generate()
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(private, "s3ftpd demo")
	if err != nil {
		return err
	}
	temp := name + ".new"
	if err := os.WriteFile(temp, pem.EncodeToMemory(block), 0o600); err != nil {
		return err
	}
	return os.Rename(temp, name)
}

// readableByOthers reports whether users other than the owner and the group of a file can read it.
func readableByOthers(name string) bool {
	info, err := os.Stat(name)
	return err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o004 != 0
}
