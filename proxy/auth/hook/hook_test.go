package hook

import (
	"bufio"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/signed"
)

// canary is the password. No error has it.
const canary = "canary-password"

func attempt() proxy.Attempt {
	return proxy.Attempt{User: "alice", Password: canary, Method: proxy.ByPassword, Protocol: "ftp", TLS: "TLS 1.3", Session: "0a1b",
		Peer: netip.MustParseAddrPort("192.0.2.7:1025")}
}

// publicKey is the beginning of a public key.
var publicKey = []byte("\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20xxx")

// errInvalid is the error of Accept for a body that is not "{}".
var errInvalid = errors.New("invalid keys")

// newSource returns a source for the hook at a URL. Its results are the bodies of the answers.
func newSource(t *testing.T, url string) *Source[string] {
	t.Helper()
	client := signed.NewClient(url, 1)
	t.Cleanup(client.CloseIdleConnections)
	return &Source[string]{URL: url, Client: client, Accept: func(_ context.Context, _ proxy.Attempt, body []byte) (string, error) {
		if string(body) != "{}" {
			return "", errInvalid
		}
		return string(body), nil
	}}
}

// serve starts a hook.
func serve(t *testing.T, answer http.HandlerFunc) *Source[string] {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return newSource(t, server.URL)
}

const (
	accepted  = "accepted"
	refused   = "refused"
	unknown   = "unknown"
	undecided = "undecided"
)

// verdict returns what a login has yielded.
func verdict(t *testing.T, result string, err error) string {
	t.Helper()
	if err != nil && strings.Contains(err.Error(), "canary") {
		t.Errorf("a secret is in the error %q", err)
	}
	switch {
	case err == nil && result != "":
		return accepted
	case result != "":
		t.Errorf("a result with the error %v", err)
	case errors.Is(err, fs.ErrPermission):
		return refused
	case errors.Is(err, ErrUnknownUser):
		return unknown
	}
	return undecided
}

// Only 200 with valid keys accepts a login, and only 401 and 403 refuse it. A request is repeated once if another may succeed.
func TestAnswers(t *testing.T) {
	for _, x := range []struct {
		status   int
		body     string
		want     string
		requests int
		err      string
	}{
		{200, "{}", accepted, 1, ""},
		{200, "", undecided, 1, "invalid keys"},
		{200, "canary", undecided, 1, "invalid keys"},
		{200, strings.Repeat(" ", maxAnswer), undecided, 1, "invalid keys"},
		{200, strings.Repeat(" ", maxAnswer+1), undecided, 1, "longer than 64 KiB"},
		{401, "{}", refused, 1, "refuses the login with 401"},
		{403, "canary", refused, 1, "refuses the login with 403"},
		{403, strings.Repeat("x", 2*maxAnswer), refused, 1, "403"},
		{404, "{}", unknown, 1, "does not know the name"},
		{201, "{}", undecided, 1, "must be 200"},
		{204, "", undecided, 1, "must be 200"},
		{206, "{}", undecided, 1, "must be 200"},
		{301, "{}", undecided, 1, "redirects with 301"},
		{307, "{}", undecided, 1, "set --auth-url to its final URL"},
		{400, "{}", undecided, 1, "answers 400"},
		{407, "{}", undecided, 1, "answers 407"},
		{410, "{}", undecided, 1, "answers 410"},
		{429, "{}", undecided, 1, "answers 429"},
		{500, "canary", undecided, 2, "answers 500"},
		{503, "{}", undecided, 2, "answers 503"},
		{599, "{}", undecided, 2, "answers 599"},
	} {
		requests := 0
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			requests++
			w.Header().Set("Location", "/canary")
			w.WriteHeader(x.status)
			if x.status != http.StatusNoContent {
				io.WriteString(w, x.body)
			}
		})
		result, err := s.Login(t.Context(), attempt())
		if got := verdict(t, result, err); got != x.want || requests != x.requests || err != nil && !strings.Contains(err.Error(), x.err) {
			t.Errorf("%d %.20q: %s after %d requests, %v; want %s after %d, %s", x.status, x.body, got, requests, err, x.want, x.requests, x.err)
		}
	}
}

// The second of two requests can decide.
func TestRetry(t *testing.T) {
	for second, want := range map[int]string{200: accepted, 401: refused, 404: unknown, 400: undecided} {
		requests := 0
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if requests++; requests == 1 {
				panic(http.ErrAbortHandler)
			}
			w.WriteHeader(second)
			io.WriteString(w, "{}")
		})
		result, err := s.Login(t.Context(), attempt())
		if got := verdict(t, result, err); got != want || requests != 2 {
			t.Errorf("%d: %s after %d requests, %v", second, got, requests, err)
		}
	}
}

// After a redirect, the password is not sent elsewhere.
func TestRedirect(t *testing.T) {
	followed := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		followed = true
		io.WriteString(w, "{}")
	}))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := serve(t, http.RedirectHandler(elsewhere.URL, status).ServeHTTP)
		if result, err := s.Login(t.Context(), attempt()); verdict(t, result, err) != undecided || followed {
			t.Errorf("%d: %q, %v, followed: %t", status, result, err, followed)
		}
	}
}

// An answer that is cut off is not one, even if what has arrived is valid.
func TestBrokenAnswers(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing":              "",
		"not HTTP":             "220 ftp canary\r\n",
		"half a header":        "HTTP/1.1 200 OK\r\nContent-Le",
		"less than announced":  "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
		"without a last chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
		"a long header":        "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20) + "\r\nContent-Length: 2\r\n\r\n{}",
		"compressed":           "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
	} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				c, err := listener.Accept()
				if err != nil {
					return
				}
				r, err := http.ReadRequest(bufio.NewReader(c))
				if err == nil {
					io.Copy(io.Discard, r.Body)
				}
				io.WriteString(c, answer)
				c.Close()
			}
		}()
		s := newSource(t, "http://"+listener.Addr().String())
		result, err := s.Login(t.Context(), attempt())
		if got := verdict(t, result, err); got != undecided {
			t.Errorf("%s: %s, %v", name, got, err)
		}
		listener.Close()
	}
}

// A hook that cannot be asked does not refuse a login, even if the error of the system is fs.ErrPermission, as with a firewall.
func TestNoHook(t *testing.T) {
	for name, dial := range map[string]func(context.Context, string, string) (net.Conn, error){
		"refused by the host": func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
		},
		"refused by the system": func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EPERM)}
		},
	} {
		s := newSource(t, "http://127.0.0.1:1/")
		s.Client.Transport.(*http.Transport).DialContext = dial
		result, err := s.Login(t.Context(), attempt())
		if got := verdict(t, result, err); got != undecided || !strings.Contains(err.Error(), "the hook cannot be asked: ") || strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	s := newSource(t, "http://127.0.0.1:1/")
	s.Secret = func() ([]byte, error) { return nil, &fs.PathError{Op: "open", Path: "secret", Err: fs.ErrPermission} }
	if result, err := s.Login(t.Context(), attempt()); verdict(t, result, err) != undecided || !strings.Contains(err.Error(), "secret of the hook") {
		t.Errorf("no secret: %v", err)
	}
}

// A certificate that the system does not trust is no hook.
func TestUntrustedHook(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "{}") }))
	server.Config.ErrorLog = nil
	server.StartTLS()
	defer server.Close()
	s := newSource(t, server.URL)
	if result, err := s.Login(t.Context(), attempt()); verdict(t, result, err) != undecided || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%q, %v", result, err)
	}
	s.Client.Transport.(*http.Transport).TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
	if result, err := s.Login(t.Context(), attempt()); verdict(t, result, err) != accepted {
		t.Errorf("trusted: %q, %v", result, err)
	}
}

// The hook is told what the client has shown, and the body is signed with the secret of that moment.
func TestRequest(t *testing.T) {
	subject, err := asn1.Marshal(pkix.Name{CommonName: "scanner 7", Organization: []string{"Example"}}.ToRDNSequence())
	if err != nil {
		t.Fatal(err)
	}
	withCertificate := attempt()
	withCertificate.Method, withCertificate.Password, withCertificate.Certificate = proxy.ByCertificate, "", &x509.Certificate{RawSubject: subject}
	plain := attempt()
	plain.User, plain.Password, plain.TLS, plain.Peer = `a"b ü`, "<p&w>\\", "", netip.MustParseAddrPort("[::ffff:192.0.2.8]:1")
	guest := attempt()
	guest.User, guest.Password = anonymous, ""
	secret := "one"
	byKey := plain
	byKey.User, byKey.Password, byKey.PublicKey, byKey.Method, byKey.Protocol = "alice", "", publicKey, proxy.ByPublicKey, "sftp"
	both := byKey
	both.Password, both.Method = "wonderland", proxy.ByPassword
	var got string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		signature := r.Header.Get(signed.Header)
		var at int64
		fmt.Sscanf(signature, "t=%d,", &at)
		if signature != signed.Value([]byte(secret), time.Unix(at, 0), body) || at < time.Now().Add(-time.Minute).Unix() {
			t.Errorf("signature %q", signature)
		}
		got = fmt.Sprintf("%s %s %s %s", r.Method, r.URL.Path, r.Header.Get("Content-Type"), body)
		io.WriteString(w, "{}")
	})
	s.URL += "/login"
	s.Secret = func() ([]byte, error) { return []byte(secret), nil }
	for _, x := range []struct {
		attempt proxy.Attempt
		want    string
	}{
		{attempt(), `{"user":"alice","password":"canary-password","method":"password","protocol":"ftps","client_address":"192.0.2.7","tls_version":"TLS 1.3","session":"0a1b"}`},
		{withCertificate, `{"user":"alice","method":"certificate","protocol":"ftps","client_address":"192.0.2.7",` +
			`"client_certificate_subject":"CN=scanner 7,O=Example","tls_version":"TLS 1.3","session":"0a1b"}`},
		{plain, `{"user":"a\"b ü","password":"\u003cp\u0026w\u003e\\","method":"password","protocol":"ftp","client_address":"192.0.2.8","session":"0a1b"}`},
		{guest, `{"user":"anonymous","password":"","method":"password","protocol":"ftps","client_address":"192.0.2.7","tls_version":"TLS 1.3","session":"0a1b"}`},
		{byKey, `{"user":"alice","public_key":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHh4eA==","method":"publickey","protocol":"sftp",` +
			`"client_address":"192.0.2.8","session":"0a1b"}`},
		{both, `{"user":"alice","password":"wonderland","public_key":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHh4eA==","method":"password","protocol":"sftp",` +
			`"client_address":"192.0.2.8","session":"0a1b"}`},
	} {
		if result, err := s.Login(t.Context(), x.attempt); verdict(t, result, err) != accepted {
			t.Errorf("%q, %v", result, err)
		}
		if want := "POST /login application/json " + x.want; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		secret += "+"
	}
}

// Names that no user can have, and passwords that JSON has no text for, are not sent.
func TestAttemptsWithoutRequest(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the hook was asked") })
	for _, x := range []struct{ user, password, want string }{
		{"", canary, unknown},
		{strings.Repeat("x", maxName+1), canary, unknown},
		{" alice", canary, unknown},
		{"alice\n", canary, unknown},
		{"al\x00ice", canary, unknown},
		{"\xE4", canary, unknown},
		{"alice", "", refused},
		{"alice", canary + "\xE4", refused},
	} {
		a := attempt()
		a.User, a.Password = x.user, x.password
		result, err := s.Login(t.Context(), a)
		if got := verdict(t, result, err); got != x.want {
			t.Errorf("%q, %q: %s, %v", x.user, x.password, got, err)
		}
	}
	for _, key := range [][]byte{nil, {0, 0, 0}, {0, 0, 0, 1}, {255, 255, 255, 255, 'x'}} {
		a := attempt()
		a.Method, a.Password, a.PublicKey = proxy.ByPublicKey, "", key
		result, err := s.Login(t.Context(), a)
		if got := verdict(t, result, err); got != refused {
			t.Errorf("key %q: %s, %v", key, got, err)
		}
	}
}
