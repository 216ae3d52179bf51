package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// A pemFile is the content of a file that an option names.
type pemFile struct {
	option, name string // an empty name means: not configured
	text         []byte
	err          error // why it could not be read
}

func readPEM(option, name string) pemFile {
	f := pemFile{option: option, name: name}
	if name != "" {
		f.text, f.err = os.ReadFile(name)
		f.text = bytes.TrimPrefix(f.text, []byte("\uFEFF")) // a byte order mark would hide the first block
	}
	return f
}

// bad returns an error about the file, with its option and name.
func (f pemFile) bad(format string, args ...any) error {
	return fmt.Errorf("%s: %w", f.source(), fmt.Errorf(format, args...))
}

// source returns the option and the name of the file, or the variable that has the text itself.
func (f pemFile) source() string {
	if f.name == "" {
		return f.option
	}
	return fmt.Sprintf("%s %q", f.option, f.name)
}

// Types of PEM blocks. The types of keys, such as "RSA PRIVATE KEY", all end in pemKey.
const (
	pemCertificate = "CERTIFICATE"
	pemKey         = "PRIVATE KEY"
)

// blocks returns the blocks of one kind in the file. Finding none is an error.
func (f pemFile) blocks(kind string) (found []*pem.Block, err error) {
	if e, ok := errors.AsType[*fs.PathError](f.err); ok {
		return nil, f.bad("%w", e.Err)
	} else if f.err != nil {
		return nil, f.bad("%w", f.err)
	}
	var others []string
	for block, rest := pem.Decode(f.text); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == kind, kind == pemKey && strings.HasSuffix(block.Type, " "+kind):
			found = append(found, block)
		case !slices.Contains(others, block.Type):
			others = append(others, block.Type)
		}
	}
	noun := strings.ToLower(kind)
	switch {
	case len(found) > 0:
		return found, nil
	case len(others) > 0:
		return nil, f.bad("there is no %s in it, only %s; have two files changed places?", noun, strings.Join(others, ", "))
	case bytes.HasPrefix(f.text, []byte{0xFF, 0xFE}), bytes.HasPrefix(f.text, []byte{0xFE, 0xFF}):
		return nil, f.bad("is UTF-16: save it as UTF-8")
	case bytes.HasPrefix(f.text, []byte{0x30, 0x82}): // first bytes of DER
		return nil, f.bad("is not PEM; openssl converts DER with -inform DER, and PKCS #12 with `openssl pkcs12 -nodes`")
	}
	return nil, f.bad("there is no %s in it; PEM is wanted, with a line -----BEGIN %s-----", noun, kind)
}

// certificates returns the certificates in the file. Finding none is an error.
func (f pemFile) certificates() (list []*x509.Certificate, err error) {
	blocks, err := f.blocks(pemCertificate)
	for i, b := range blocks {
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, f.bad("certificate %d of %d: %w", i+1, len(blocks), err)
		}
		list = append(list, c)
	}
	return list, err
}

// pool returns the certificates in the file as a pool of trusted authorities.
func (f pemFile) pool() (*x509.CertPool, error) {
	list, err := f.certificates()
	pool := x509.NewCertPool()
	for _, c := range list {
		pool.AddCert(c)
	}
	return pool, err
}

// key returns the private key in the file, as PEM.
func (f pemFile) key() ([]byte, error) {
	blocks, err := f.blocks(pemKey)
	if err != nil {
		return nil, err
	}
	if k := blocks[0]; k.Type == "ENCRYPTED "+pemKey || strings.Contains(k.Headers["Proc-Type"], "ENCRYPTED") {
		return nil, f.bad("is encrypted, and s3ftpd cannot ask for its password; `openssl pkey -in OLD -out NEW` decrypts it")
	}
	return pem.EncodeToMemory(blocks[0]), nil
}

// pair returns the certificate chain in cert with the key in key. Both may be the same file.
func pair(cert, key pemFile) (tls.Certificate, error) {
	list, errCert := cert.certificates()
	secret, errKey := key.key()
	if err := errors.Join(errCert, errKey); err != nil {
		return tls.Certificate{}, err
	}
	both, err := tls.X509KeyPair(cert.text, secret)
	if err == nil {
		return both, nil
	}
	for i, c := range list { // the most common mistake: the chain is in the wrong order
		leaf := pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: c.Raw})
		if _, err := tls.X509KeyPair(leaf, secret); err == nil {
			return tls.Certificate{}, cert.bad("the server's own certificate has to stand first; it is number %d", i+1)
		}
	}
	if strings.HasSuffix(err.Error(), "does not match public key") || strings.HasSuffix(err.Error(), "does not match public key type") {
		return tls.Certificate{}, key.bad("does not belong to the certificate in %q; it has to be the key that this one was issued for", cert.name)
	}
	return tls.Certificate{}, key.bad("%w", err)
}
