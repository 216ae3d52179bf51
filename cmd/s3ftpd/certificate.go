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

// A certificate holds the current tls.Config, and replaces it when the certificate's files change. Running sessions keep the
// tls.Config that they began with.
type certificate struct {
	c   *config.Config
	own *tls.Certificate // self-signed at the start; nil if the certificate comes from files
	log *slog.Logger
	now atomic.Pointer[tls.Config]

	// Used only by openCertificate and then by the goroutine of reloadOnChange.
	files reloader
	told  string // the age that was logged last, see age
}

// openCertificate reads the configured certificate or makes a self-signed one. It returns nil if none is configured.
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
	k.files.seen = files.digest()
	return k, k.use(files)
}

// config returns the tls.Config for the next session. It is shared: callers must not modify it.
func (k *certificate) config() *tls.Config { return k.now.Load() }

// chain returns the certificates of the file, the server's first.
func (k *certificate) chain() (list []*x509.Certificate) {
	for _, der := range k.now.Load().Certificates[0].Certificate {
		if x, err := x509.ParseCertificate(der); err == nil {
			list = append(list, x)
		}
	}
	return list
}

// leaf returns the server's own certificate, without the rest of its chain.
func (k *certificate) leaf() *x509.Certificate { return k.now.Load().Certificates[0].Leaf }

// tlsFiles are the PEM files that the options of TLS name.
type tlsFiles struct{ cert, key, clientCA pemFile }

func (k *certificate) read() tlsFiles {
	return tlsFiles{readPEM("--tls-cert", k.c.TLSCert), readPEM("--tls-key", k.c.TLSKey), readPEM("--tls-client-ca", k.c.TLSClientCA)}
}

func (f tlsFiles) digest() (d digest) {
	h := sha256.New()
	for _, file := range []pemFile{f.cert, f.key, f.clientCA} {
		fmt.Fprintf(h, "%q %v\n", file.text, file.err)
	}
	h.Sum(d[:0])
	return d
}

// use installs the certificate in the files. On error the current one stays.
func (k *certificate) use(files tlsFiles) error {
	c := tlsProtocol(k.c)
	var errPair, errCA error
	if k.own != nil {
		c.Certificates = []tls.Certificate{*k.own}
	} else {
		c.Certificates = make([]tls.Certificate, 1)
		c.Certificates[0], errPair = pair(files.cert, files.key)
	}
	if files.clientCA.name != "" {
		c.ClientAuth = tls.RequireAndVerifyClientCert
		if k.c.TLSClientAuth == "optional" {
			c.ClientAuth = tls.VerifyClientCertIfGiven
		}
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

// remind logs a warning when the certificate is not valid yet, expires soon or has expired: once for each.
func (k *certificate) remind() {
	leaf := k.leaf()
	if is := age(leaf, time.Now()); is != k.told {
		if k.told = is; is != "" {
			k.log.Warn("the certificate "+is, "subject", leaf.Subject.String(), "from", leaf.NotBefore, "until", leaf.NotAfter,
				"advice", "put a new one into the files of --tls-cert and --tls-key; it is taken up by itself")
		}
	}
}

// reloadOnChange polls the files at an interval and reloads them at each SIGHUP, until ctx is done.
func (k *certificate) reloadOnChange(ctx context.Context, every time.Duration, hangups <-chan os.Signal) {
	lookOnChange(ctx, every, hangups, k.look)
}

// look installs the files if they have changed or, after SIGHUP, if asked is true: a certificate may be replaced a moment before its
// key, see reloader.
func (k *certificate) look(asked bool) {
	k.remind()
	files := k.read()
	if err := k.files.look(files.digest(), asked, func() error { return k.use(files) }); err != nil {
		k.log.Warn("new certificate is invalid, keeping the current one", "until", k.leaf().NotAfter,
			"advice", "put right the files of --tls-cert, --tls-key and --tls-client-ca; they are looked at every 10 s, and on SIGHUP", "err", err)
	}
}
