package tenants

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// serveHook starts s3ftpd with a hook, which is signed with a secret that has the canary.
func (s *store) serveHook(t *testing.T, hook http.HandlerFunc, args ...string) *harness.Server {
	t.Helper()
	server := httptest.NewServer(hook)
	t.Cleanup(server.Close)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(canary+"-hook-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := real.FreeAddr(t)
	args = append([]string{"serve", "--ftp", addr, "--endpoint", s.Endpoint, "--auth-url", server.URL, "--auth-url-secret-file", secret,
		"--log-format", "json", "--commit-grace", "1ms"}, args...)
	return harness.Start(t, addr, s.Env(), args...)
}

// fromHook is the source of users that asks a hook. The hook answers with the keys of the users in the file.
func fromHook(t *testing.T, s *store, users string) *harness.Server {
	var file struct {
		Defaults map[string]any
		Users    []map[string]any
	}
	if err := yaml.Unmarshal([]byte(users), &file); err != nil {
		t.Fatal(err)
	}
	return s.serveHook(t, func(w http.ResponseWriter, r *http.Request) {
		var login struct{ User, Password string }
		json.NewDecoder(r.Body).Decode(&login)
		i := slices.IndexFunc(file.Users, func(u map[string]any) bool { return u["name"] == login.User })
		if i < 0 || login.Password != password {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		keys := map[string]any{}
		for _, from := range []map[string]any{file.Defaults, file.Users[i]} {
			for key, value := range from {
				keys[key] = value
			}
		}
		delete(keys, "password")
		json.NewEncoder(w).Encode(keys)
	})
}

// TestIsolationOfHookUsers is TestIsolation with fewer paths, of each kind, for users of a hook.
func TestIsolationOfHookUsers(t *testing.T) {
	t.Parallel()
	few := make(map[string]tenant)
	for _, name := range []string{"prefix of another's prefix", "mounts"} {
		u := tenants[name]
		u.every = 11
		few[name] = u
	}
	harness.SomeAtOnce(t, len(few), few, func(t *testing.T, _ string, u tenant) {
		s := newStore(t)
		s.source = fromHook
		attack(t, s, usersFile, u).check(t, 1000)
	})
}

// secretAnswers are answers of a hook with a secret at each mistake.
var secretAnswers = []string{
	`{"password": "CANARYplain"}`,
	`{"password": ["CANARY"]}`,
	`{"password": {"CANARY": "CANARY"}}`,
	`{"password": "$9$CANARY"}`,
	`{"password": "$6$CANARY$CANARY"}`,
	`{"password": "CANARY", "password": "CANARY"}`,
	`{"passwort": "CANARY"}`,
	`{"password": "CANARY`,
	`{"$6$CANARY": "x"}`,
	`{"s3": "CANARY"}`,
	`{"s3": ["CANARY"]}`,
	`{"s3": {"access-key": "ab", "secret-key": "CANARY"}}`,
	`{"s3": {"access-key": "abc", "secret-key": "CANARY CANARY"}}`,
	`{"s3": {"access-key": "abc", "secret-kez": "CANARY"}}`,
	`{"s3": {"secret-key": "CANARYCANARY"}}`,
	`{"s3": {"access-key": "CANARY CANARY", "secret-key": "CANARYCANARY"}}`,
	`{"s3": {"external-id": "CANARY CANARY", "role-arn": "arn:aws:iam::123456789012:role/x"}}`,
	`{"s3": {"endpoint": "http://key:CANARY@s3"}}`,
	`{"bucket": "http://key:CANARY@s3/x"}`,
	`"CANARY"`,
	`["CANARY"]`,
	`CANARY: CANARY`,
	`<html>CANARY</html>`,
	``,
}

// TestHookSecrets: no secret of a hook, of its answers, of the logins, or of events is in the log at level debug, in an event or in a reply.
func TestHookSecrets(t *testing.T) {
	s, events := newStore(t), new(receiver)
	server := s.serveHook(t, func(w http.ResponseWriter, r *http.Request) {
		var login struct{ User string }
		body, _ := io.ReadAll(r.Body)
		json.Unmarshal(body, &login)
		w.Header().Set("Location", "/"+canary)
		w.Header().Set("WWW-Authenticate", canary)
		switch n, err := strconv.Atoi(login.User); {
		case login.User == "echo":
			w.Write(body)
		case login.User == "works":
			fmt.Fprintf(w, `{"bucket": "files", "prefix": "x/", "s3": {"access-key": "abc", "secret-key": "%s-secret-key", "endpoint": %q}}`, canary, s.Endpoint)
		case login.User == "hash":
			fmt.Fprintf(w, `{"bucket": "files", "password": %q}`, shaCanary)
		case err != nil || n < 0:
			w.WriteHeader(http.StatusTeapot)
			io.WriteString(w, canary)
		case n < len(secretAnswers):
			io.WriteString(w, secretAnswers[n])
		default:
			w.WriteHeader(n)
			io.WriteString(w, canary)
		}
	}, append(events.eventOptions(t), "--log-level", "debug")...)
	var replies strings.Builder
	login := func(user, password string, code int) *attacker {
		a := &attacker{t: t, server: server, user: user, start: "/"}
		a.dial()
		a.do("USER " + user)
		got, text := a.do("PASS " + password)
		if got != code {
			t.Errorf("PASS of %s: %d %s, want %d", user, got, text, code)
		}
		return a
	}
	end := func(a *attacker) {
		a.conn.Close()
		replies.WriteString(a.seen.String())
	}
	for i := range secretAnswers {
		end(login(strconv.Itoa(i), canary+"-password", 530))
	}
	for _, user := range []string{"echo", "hash", "other", "302", "401", "403", "404", "500"} {
		end(login(user, canary+"-password", 530))
	}
	works := login("works", canary+"-password", 230)
	works.receive("LIST")
	end(works)
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
	lines := server.Log.Since(0)
	for _, line := range slices.Concat(lines, events.received(t, 2), []string{replies.String()}) {
		if strings.Contains(line, canary) {
			t.Errorf("a secret is in %s", line)
		}
	}
	if undecided := strings.Count(strings.Join(lines, "\n"), `"event":"login.undecided"`); undecided != len(secretAnswers)+4 {
		t.Errorf("%d undecided logins", undecided)
	}
}

// leavingAnswers are answers of a hook with a place that is none, or is that of another user.
var leavingAnswers = []string{
	`{"prefix": "../ab/"}`,
	`{"prefix": "a/../ab/"}`,
	`{"prefix": ".."}`,
	`{"prefix": "./ab/"}`,
	`{"prefix": "/ab/"}`,
	`{"prefix": "a//ab/"}`,
	`{"prefix": "a/{user}/../../ab/"}`,
	`{"prefix": "\u002e\u002e/ab/"}`,
	`{"prefix": "a/\u0000/ab/"}`,
	`{"prefix": "a/", "prefix": "ab/"}`,
	`{"prefix": ["ab/"]}`,
	`{"prefix": "s3://reports/ab/"}`,
	`{"bucket": "../reports", "prefix": ""}`,
	`{"bucket": "files/ab", "prefix": ""}`,
	`{"bucket": "reports?prefix=", "prefix": ""}`,
	`{"name": "ab"}`,
	`{"mounts": {"/in": {"prefix": "../ab/"}}}`,
	`{"mounts": {"/in/..": {"prefix": "a/"}}}`,
	`{"mounts": {"/in": {"bucket": "../reports", "prefix": "ab/"}}}`,
	`{"mounts": {"/{user}": {"prefix": "a/"}}}`,
	`{"home": "/../ab"}`,
}

// leavingNames are names that would lead out of a/{user}/ if the hook knew them.
var leavingNames = []string{".", "..", "../ab", "../../ab", "/", "/ab", "ab/", "x/../../ab", "./ab", " ", strings.Repeat("x", 129)}

// TestHookAnswersThatLeave: a hook that knows all names gives no user a place that is not clean. Such logins fail, without a request to S3.
func TestHookAnswersThatLeave(t *testing.T) {
	s := newStore(t)
	s.putSecrets(files, "ab/")
	server := s.serveHook(t, func(w http.ResponseWriter, r *http.Request) {
		var login struct{ User string }
		json.NewDecoder(r.Body).Decode(&login)
		if n, err := strconv.Atoi(login.User); err == nil && n < len(leavingAnswers) {
			io.WriteString(w, leavingAnswers[n])
			return
		}
		io.WriteString(w, "{}")
	}, "--bucket", files, "--prefix", "a/{user}/", "--ban-after", "0")
	server.Log.Await(t, "the bucket answers")
	s.forget()
	users := make(map[string]string)
	for _, name := range leavingNames {
		users[fmt.Sprintf("name %.9q", name)] = name
	}
	for i, answer := range leavingAnswers {
		users[answer] = strconv.Itoa(i)
	}
	harness.AtOnce(t, users, func(t *testing.T, _, user string) {
		a := &attacker{t: t, server: server, user: user}
		a.dial()
		defer a.conn.Close()
		a.do("USER " + user)
		if code, text := a.do("PASS " + password); code != 530 {
			t.Errorf("PASS of %q: %d %s", user, code, text)
		}
	})
	v := &verdict{ops: make(map[string]bool)}
	if s.judge(v, nil); v.requests > 0 {
		t.Errorf("requests to S3: %v", v.findings)
	}
	a := &attacker{t: t, server: server, user: "good", start: "/"}
	if a.connect(); a.lost > 0 {
		t.Error("a user with a clean place cannot log in")
	}
}
