// Package hook asks a program of the operator over HTTP who may log in.
//
// Each login is a POST with a JSON object. The status of the answer decides: 200 accepts the login, and its body has the user's
// keys; 404 means that the hook does not know the user; 401 and 403 refuse the login. After any other answer and after none, the
// login is undecided: a [Source] accepts only what the hook has accepted.
//
// A good login is remembered as long as the Cache-Control of the answer allows, at most 5 minutes, for attempts that are equal in
// all that the hook was told.
//
// The package does not limit the number of requests at a time; its caller must do that.
package hook

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// ErrUnknownUser is the proxy.ErrUnknownUser of a hook.
var ErrUnknownUser = fmt.Errorf("%w: the hook does not know the name", proxy.ErrUnknownUser)

// A Source asks a hook about logins. U is what Accept makes of its answers. It may be used by many goroutines at once. The fields
// must not change after first use.
type Source[U any] struct {
	URL     string
	Client  *http.Client           // must not follow redirects, see signed.NewClient
	Secret  func() ([]byte, error) // returns the secret that signs a request; nil = requests have no signature
	Timeout time.Duration          // of one request, which is repeated once; 0 = 5 s

	// Accept makes the result of a login from the body of an answer. An error that is fs.ErrPermission refuses the login. After
	// any other error it is undecided.
	Accept func(ctx context.Context, a proxy.Attempt, body []byte) (U, error)

	memory memory[U]
}

// maxName is the maximal length of a user name in bytes, that of the users file.
const maxName = 127

// Remembered returns the result of an equal login, if it is remembered.
func (s *Source[U]) Remembered(a proxy.Attempt) (result U, ok bool) { return s.memory.find(a) }

// Forget forgets all remembered logins, and those that the hook is being asked about are not remembered.
func (s *Source[U]) Forget() { s.memory.forgetAll() }

// Login asks the hook, and returns what Accept makes of its answer. The error is ErrUnknownUser if the hook does not know the user,
// and fs.ErrPermission, for errors.Is, if it refuses the login. After any other error it is unknown whether the login is right. No
// error contains the password or a part of the answer, unless that of Accept does.
func (s *Source[U]) Login(ctx context.Context, a proxy.Attempt) (U, error) {
	var none U
	if err := checkAttempt(a); err != nil {
		return none, err
	}
	request, err := requestOf(a)
	if err != nil {
		return none, err
	}
	q := s.memory.begin(a)
	defer s.memory.end(q)
	got, err := s.ask(ctx, request)
	if err != nil {
		return none, err
	}
	switch got.status {
	case http.StatusNotFound:
		s.memory.forgetUser(q)
		return none, ErrUnknownUser
	case http.StatusUnauthorized, http.StatusForbidden:
		s.memory.forgetLogin(q)
		return none, denial(fmt.Sprintf("the hook refuses the login with %d", got.status))
	}
	result, err := s.Accept(ctx, a, got.body)
	if err != nil {
		s.memory.forgetLogin(q)
		return none, err
	}
	s.memory.remember(q, result, got.maxAge)
	return result, nil
}

// A denial is the reason of a refused login.
type denial string

func (r denial) Error() string        { return string(r) }
func (r denial) Is(target error) bool { return target == fs.ErrPermission }

// checkAttempt refuses attempts that the hook need not, or cannot, be asked about.
func checkAttempt(a proxy.Attempt) error {
	switch {
	case a.User == "" || len(a.User) > maxName || !proxy.IsPrintable(a.User) || strings.TrimSpace(a.User) != a.User:
		return ErrUnknownUser // a user cannot have that name
	case a.Method == proxy.ByPublicKey && publicKeyText(a.PublicKey) == "":
		return denial("the public key is invalid")
	case a.Method != proxy.ByPassword:
		return nil
	case a.Password == "" && a.User != anonymous:
		return denial("the password is empty") // LDAP servers, for one, take it for an anonymous login, and accept it
	case !utf8.ValidString(a.Password):
		return denial("the password is not UTF-8, and JSON has no other text")
	}
	return nil
}

// anonymous is the user whose password is often empty.
const anonymous = "anonymous"

// A request is what the hook is told, in JSON.
type request struct {
	User               string  `json:"user"`
	Password           *string `json:"password,omitempty"`   // only with the method password
	PublicKey          string  `json:"public_key,omitempty"` // with the method password, one that was verified before
	Method             string  `json:"method"`
	Protocol           string  `json:"protocol"`
	ClientAddress      string  `json:"client_address"`
	CertificateSubject string  `json:"client_certificate_subject,omitempty"`
	TLSVersion         string  `json:"tls_version,omitempty"`
	Session            string  `json:"session"`
}

// requestOf returns the body of the request about an attempt.
func requestOf(a proxy.Attempt) ([]byte, error) {
	r := request{User: a.User, Method: string(a.Method), Protocol: a.Service(), ClientAddress: a.Peer.Addr().Unmap().String(),
		PublicKey: publicKeyText(a.PublicKey), CertificateSubject: a.Subject(), TLSVersion: a.TLS, Session: a.Session}
	if a.Method == proxy.ByPassword {
		r.Password = &a.Password
	}
	return json.Marshal(r)
}

// publicKeyText returns a public key as it is in OpenSSH's authorized_keys, or "" if there is none.
func publicKeyText(key []byte) string {
	if len(key) < 4 || uint64(binary.BigEndian.Uint32(key)) > uint64(len(key)-4) {
		return ""
	}
	kind := key[4 : 4+binary.BigEndian.Uint32(key)]
	return string(kind) + " " + base64.StdEncoding.EncodeToString(key)
}

// timeout returns the time limit of one request.
func (s *Source[U]) timeout() time.Duration { return cmp.Or(s.Timeout, 5*time.Second) }
