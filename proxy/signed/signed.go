// Package signed has what requests to a web hook of the operator need: a signature, the file with its secret, and an HTTP
// client that follows no redirect.
//
// The package does not retry, and does not limit the time of a request: use its context.
package signed

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"
)

// Header is the header with the signature of a request.
const Header = "X-S3ftpd-Signature"

// Value returns the value of Header for a body: t=<at in seconds since 1970>,v1=<HMAC-SHA256 of "t.body" in hex>.
func Value(secret []byte, at time.Time, body []byte) string {
	t := at.Unix()
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "%d.", t)
	mac.Write(body)
	return fmt.Sprintf("t=%d,v1=%s", t, hex.EncodeToString(mac.Sum(nil)))
}

// maxSecret is the maximal length of a secret in bytes.
const maxSecret = 4096

// ReadSecret returns the secret in a file, without the line end and the blanks around it. Call it for each request, so that a
// changed file is in use at once. An empty file is an error, and so is one of more than 4096 bytes. Errors are of type
// *fs.PathError.
func ReadSecret(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return nil, err
	}
	secret := bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\uFEFF")))
	switch {
	case len(text) > maxSecret:
		return nil, &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("must contain a secret of at most %d bytes", maxSecret)}
	case len(secret) == 0:
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("must contain a secret, but is empty")}
	}
	return secret, nil
}

// SecretFile returns a function that calls ReadSecret for the file, or nil if the name is empty.
func SecretFile(name string) func() ([]byte, error) {
	if name == "" {
		return nil
	}
	return func() ([]byte, error) { return ReadSecret(name) }
}

// NewClient returns a client for requests to a URL. It verifies TLS certificates, returns redirects as responses, and with a
// URL of plain http connects to loopback addresses only, whatever the host resolves to. It keeps at most connections idle
// connections.
func NewClient(address string, connections int) *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	if strings.HasPrefix(address, "http:") {
		dialer.Control = refuseRemote
	}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         dialer.DialContext,
			ForceAttemptHTTP2:   true,
			TLSHandshakeTimeout: 10 * time.Second,
			IdleConnTimeout:     30 * time.Second,
			MaxIdleConnsPerHost: connections,
			// Responses are short, and a receiver must not fill the memory.
			MaxResponseHeaderBytes: 64 << 10,
			DisableCompression:     true,
		},
	}
}

// refuseRemote refuses connections to other addresses than loopback ones.
func refuseRemote(_, address string, _ syscall.RawConn) error {
	if to, err := netip.ParseAddrPort(address); err != nil || !to.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("plain http to %s: must be https unless the address is loopback", address)
	}
	return nil
}
