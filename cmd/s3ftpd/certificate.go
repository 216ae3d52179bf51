package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
)

// A certificate is what TLS is served with. It follows its files; sessions keep what they began with.
type certificate struct {
	c   *config.Config
	own *tls.Certificate // made at the start; nil = the certificate is in files
	log *slog.Logger
	now atomic.Pointer[tls.Config]

	// Of the one goroutine that keeps it up to date.
	seen    digest // the files as they were judged last
	suspect digest // the files that were bad for the first time at the last look
	told    string // what the log has been told of its age
}

// openCertificate reads or makes the certificate of a configuration. Where there is none, it returns nil.
func openCertificate(c *config.Config, log *slog.Logger) (*certificate, error) {
	k := &certificate{c: c, log: log}
	switch {
	case !c.HasCertificate():
		return nil, nil
	case c.TLSSelfSigned:
		own, err := selfSigned(c.TLSLegacy)
		if err != nil {
			return nil, fmt.Errorf("--tls-self-signed: %w", err)
		}
		k.own = own
	}
	files := k.read()
	k.seen = files.digest()
	return k, k.use(files)
}

// config returns what the next session is served with. It is shared, and must not be changed.
func (k *certificate) config() *tls.Config { return k.now.Load() }

// leaf is the certificate itself, without those that vouch for it.
func (k *certificate) leaf() *x509.Certificate { return k.now.Load().Certificates[0].Leaf }

// tlsFiles are the files that TLS is made of.
type tlsFiles struct{ cert, key, clientCA pemFile }

func (k *certificate) read() tlsFiles {
	return tlsFiles{readPEM("--tls-cert", k.c.TLSCert), readPEM("--tls-key", k.c.TLSKey), readPEM("--tls-client-ca", k.c.TLSClientCA)}
}

// A digest is another one when the files say something else. How they were replaced plays no part: in Kubernetes it is
// a symbolic link of a directory above that changes.
type digest [sha256.Size]byte

func (f tlsFiles) digest() (d digest) {
	h := sha256.New()
	for _, file := range []pemFile{f.cert, f.key, f.clientCA} {
		fmt.Fprintf(h, "%q %v\n", file.text, file.err)
	}
	h.Sum(d[:0])
	return d
}

// use serves with what the files say or, if that is not sound, goes on as before.
func (k *certificate) use(files tlsFiles) error {
	c := spoken(k.c)
	var errPair, errCA error
	if k.own != nil {
		c.Certificates = []tls.Certificate{*k.own}
	} else {
		c.Certificates = make([]tls.Certificate, 1)
		c.Certificates[0], errPair = pair(files.cert, files.key)
	}
	if files.clientCA.name != "" {
		c.ClientAuth = tls.RequireAndVerifyClientCert
		c.ClientCAs, errCA = files.clientCA.pool()
	}
	if err := errors.Join(errPair, errCA); err != nil {
		return err
	}
	k.now.Store(c)
	leaf := k.leaf()
	k.log.Info("certificate", "subject", leaf.Subject.String(), "names", hosts(leaf), "until", leaf.NotAfter, "fingerprint", fingerprint(leaf))
	k.told = ""
	k.remind()
	return nil
}

// remind warns of the end of the certificate, once it is near and once it is there.
func (k *certificate) remind() {
	leaf := k.leaf()
	if is := age(leaf, time.Now()); is != k.told {
		if k.told = is; is != "" {
			k.log.Warn("the certificate "+is, "subject", leaf.Subject.String(), "from", leaf.NotBefore, "until", leaf.NotAfter,
				"advice", "put a new one into the files of --tls-cert and --tls-key; it is taken up by itself")
		}
	}
}

// keepUp looks at the files every so often, and at each hangup, until ctx is done.
func (k *certificate) keepUp(ctx context.Context, every time.Duration, hangups <-chan os.Signal) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			k.look(false)
		case <-hangups:
			k.look(true)
		}
	}
}

// look serves with new files from now on, if they are sound; it warns of others once, and again when it was asked to look.
// Unasked it looks at them twice before: one file may have been replaced, and the other about to be.
func (k *certificate) look(asked bool) {
	k.remind()
	files := k.read()
	d := files.digest()
	if d == k.seen && !asked {
		k.suspect = digest{}
		return
	}
	err := k.use(files)
	if err != nil && !asked && d != k.suspect {
		k.suspect = d
		return
	}
	k.seen, k.suspect = d, digest{}
	if err != nil {
		k.log.Warn("the new certificate cannot be used; the one before is used on", "until", k.leaf().NotAfter,
			"advice", "put right the files of --tls-cert, --tls-key and --tls-client-ca; they are looked at every 10 s, and on SIGHUP", "err", err)
	}
}
