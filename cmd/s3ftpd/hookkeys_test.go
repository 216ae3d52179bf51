package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A keyHook is a hook that knows a public key and a password, and counts what it is asked.
type keyHook struct {
	*hookUsers
	key    ssh.PublicKey
	answer string   // about both; "" = {}
	asked  []string // methods
}

func newKeyHook(t *testing.T, answer string) *keyHook {
	t.Helper()
	h := &keyHook{hookUsers: newHook(t, "", nil), key: newPrivateKeys(t).public["ssh-ed25519"], answer: answer}
	h.config.SFTP, h.config.LoginTimeout = ":22", time.Hour
	h.source.Client.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		var q struct {
			Method, Password string
			PublicKey        string `json:"public_key"`
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			return nil, err
		}
		h.asked = append(h.asked, q.Method)
		status := http.StatusUnauthorized
		right := q.Method == "publickey" || q.Password == "canary-pw"
		if right && (q.PublicKey == "" || q.PublicKey == strings.TrimSpace(string(ssh.MarshalAuthorizedKey(h.key)))) {
			status = http.StatusOK
		}
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(h.answer))}, nil
	})
	return h
}

// attempt returns an attempt in a session.
func (h *keyHook) attempt(session string, method proxy.LoginMethod, key, password string) proxy.Attempt {
	a := proxy.Attempt{User: "alice", Password: password, Method: method, Protocol: "sftp", Session: session, Peer: netip.MustParseAddrPort("192.0.2.7:1")}
	switch key {
	case "":
	case "right":
		a.PublicKey = h.key.Marshal()
	default:
		a.PublicKey = append([]byte("\x00\x00\x00\x0bssh-ed25519"), key...)
	}
	return a
}

// outcome returns the result of a login.
func outcome(err error) string {
	switch {
	case err == nil:
		return "in"
	case errors.Is(err, fs.ErrPermission):
		return "refused"
	case errors.Is(err, proxy.ErrNeedsPassword):
		return "needs a password"
	case errors.Is(err, proxy.ErrNeedsPublicKey):
		return "needs a key"
	}
	return err.Error()
}

// The hook is asked once about each key that a client offers, and not again when the key is verified; at most about 3 keys.
func TestHookIsAskedOnceAboutKeys(t *testing.T) {
	h := newKeyHook(t, "{}")
	for _, x := range []struct {
		session, key string
		want         string
		asked        int
	}{
		{"1", "a", "refused", 1}, {"1", "a", "refused", 1}, {"1", "b", "refused", 2}, {"1", "right", "in", 3}, {"1", "right", "in", 3}, {"1", "c", "refused", 3},
		{"2", "a", "refused", 4}, {"2", "b", "refused", 5}, {"2", "c", "refused", 6}, {"2", "right", "refused", 6},
	} {
		if got := outcome(h.acceptsKey(t.Context(), h.attempt(x.session, proxy.ByPublicKey, x.key, ""))); got != x.want || len(h.asked) != x.asked {
			t.Errorf("session %s offers %s: %s, %d questions; want %s, %d", x.session, x.key, got, len(h.asked), x.want, x.asked)
		}
	}
	account, err := h.login(t.Context(), h.attempt("1", proxy.ByPublicKey, "right", ""))
	if outcome(err) != "in" || account.User != "alice" || account.Anonymous || len(h.asked) != 6 {
		t.Errorf("the verified key: %+v, %v, %d questions", account, err, len(h.asked))
	}
	if _, err := h.login(t.Context(), h.attempt("1", proxy.ByPublicKey, "a", "")); outcome(err) != "refused" {
		t.Errorf("another verified key: %v", err)
	}
}

// The keys of an answer hold for public keys too. Where two factors are needed, the hook is asked about both together.
func TestHookAnswersAboutKeys(t *testing.T) {
	const pair = `"second-factor": ["password", "public-key"]`
	own := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(newPrivateKeys(t).public["ssh-ed25519"])))
	for answer, want := range map[string]string{
		// Offers its key; logs in with it; with the password, alone, after the key and before it.
		`{}`:             "in, in; in, in, in",
		`{` + pair + `}`: "in, needs a password; needs a key, in, in",
		fmt.Sprintf(`{"public-keys": [%q]}`, own):        "refused, refused; in, in, in", // another key than that of the client
		`{"protocols": ["ftps"]}`:                        "refused, refused; refused, refused, refused",
		`{"disabled": true}`:                             "refused, refused; refused, refused, refused",
		`{"allow-from": ["198.51.100.0/24"]}`:            "refused, refused; refused, refused, refused",
		`{` + pair + `, "protocols": ["ftp"]}`:           "refused, refused; refused, refused, refused",
		`{` + pair + `, "password": "` + fastHash + `"}`: "in, needs a password; refused, refused, refused", // another password
	} {
		h := newKeyHook(t, answer)
		login := func(a proxy.Attempt) string { _, err := h.login(t.Context(), a); return outcome(err) }
		offered := outcome(h.acceptsKey(t.Context(), h.attempt("1", proxy.ByPublicKey, "right", "")))
		got := fmt.Sprintf("%s, %s; %s, %s, %s", offered, login(h.attempt("1", proxy.ByPublicKey, "right", "")),
			login(h.attempt("1", proxy.ByPassword, "", "canary-pw")),
			login(h.attempt("1", proxy.ByPassword, "right", "canary-pw")), login(h.attempt("1", proxy.ByPublicKey, "right", "canary-pw")))
		if got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", answer, got, want)
		}
		if u, err := h.findByKey(t.Context(), h.attempt("1", proxy.ByPublicKey, "right", "")); err == nil {
			if _, err := u.directory.Login(t.Context(), h.attempt("1", proxy.ByPassword, "", "canary-pw")); outcome(err) != "refused" {
				t.Errorf("%s: the answer about a key makes a password right: %v", answer, err)
			}
		}
		for _, wrong := range []proxy.Attempt{
			h.attempt("2", proxy.ByPassword, "right", "wrong"), h.attempt("2", proxy.ByPublicKey, "right", "wrong"),
			h.attempt("2", proxy.ByPublicKey, "x", "canary-pw"),
		} {
			if got := login(wrong); got != "refused" {
				t.Errorf("%s: a wrong password or key: %s", answer, got)
			}
		}
	}
}

// fastHash is the hash of an unknown password.
var fastHash = "$5$rounds=1000$salt$" + strings.Repeat("x", 43)

// Sources without public keys are not asked about them.
func TestKeysInTurn(t *testing.T) {
	var asked []string
	source := func(name string, keys bool, err error) userSource {
		s := userSource{login: func(context.Context, proxy.Attempt) (proxy.Account, error) {
			asked = append(asked, name)
			return proxy.Account{User: name}, err
		}}
		if keys {
			s.acceptsKey = func(context.Context, proxy.Attempt) error { asked = append(asked, name); return err }
		}
		return s
	}
	for _, x := range []struct {
		user     string
		hook     error // nil = there is a hook that knows the user
		login    string
		accepted string
	}{
		{"local", nil, "in: file", "in: file"},
		{"x", nil, "in: hook", "in: file hook"},
		{"x", fs.ErrPermission, "refused: hook", "refused: file hook"},
		{"x", proxy.ErrUnknownUser, "refused: hook", "refused: file hook"}, // and not --auth
	} {
		in := inTurn(func(name string) bool { return name == "local" }, source("file", true, nil),
			[]userSource{source("hook", true, x.hook), source("s3", false, nil)})
		asked = nil
		_, err := in.login(t.Context(), proxy.Attempt{User: x.user, Method: proxy.ByPublicKey})
		if got := outcome(err) + ": " + strings.Join(asked, " "); got != x.login {
			t.Errorf("%+v: login %s", x, got)
		}
		asked = nil
		err = in.acceptsKey(t.Context(), proxy.Attempt{User: x.user, Method: proxy.ByPublicKey})
		if got := outcome(err) + ": " + strings.Join(asked, " "); got != x.accepted {
			t.Errorf("%+v: offer %s", x, got)
		}
	}
}
