package main

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/auth"
	"github.com/s3ftpd/s3ftpd/proxy/auth/hook"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// A testHook accepts the password canary-pw of its users, and notes the names it was asked about. It knows no other users.
type testHook struct {
	mu     sync.Mutex
	header http.Header
	users  map[string]any // text is the body of a 200, a number another status, a function answers itself
	asked  []string
}

func (h *testHook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var login struct{ User, Password string }
	body, _ := io.ReadAll(r.Body)
	if err := json.Unmarshal(body, &login); err != nil {
		panic(err)
	}
	h.mu.Lock()
	h.asked = append(h.asked, login.User)
	answer := h.users[login.User]
	for name, values := range h.header {
		w.Header()[name] = values
	}
	h.mu.Unlock()
	switch answer := answer.(type) {
	case nil:
		w.WriteHeader(http.StatusNotFound)
	case int:
		w.WriteHeader(answer)
	case func(http.ResponseWriter, []byte):
		answer(w, body)
	case string:
		if login.Password != "canary-pw" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		io.WriteString(w, answer)
	}
}

// requests returns the names that the hook was asked about since the last call.
func (h *testHook) requests() (names []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	names, h.asked = h.asked, nil
	return names
}

// serve starts the hook, and returns its URL.
func (h *testHook) serve(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// startHook starts a server with a hook and an embedded store, which has the bucket invoices.
func startHook(t *testing.T, h *testHook, args ...string) (*running, string) {
	t.Helper()
	s3 := httptest.NewServer(embedded(t, "invoices"))
	t.Cleanup(s3.Close)
	r := start(t, nil, append([]string{"--auth-url", h.serve(t), "--ftp=127.0.0.1:0", "--bucket=invoices", "--endpoint", s3.URL, "--region=us-east-1",
		"--log-level=debug"}, args...)...)
	return r, listening.FindStringSubmatch(r.stderr.await(t, `"msg":"listening"`))[1]
}

// Users of the hook have the places, permissions and limits that it says.
func TestHookUsers(t *testing.T) {
	h := &testHook{users: map[string]any{
		"alice": `{}`,
		"bob":   `{"permissions": "ro", "prefix": "customers/alice/"}`,
		"carol": `{"home": "/out", "mounts": {"/in": {"prefix": "{user}/in/"}, "/out": {"prefix": "{user}/out/"}}, "max-sessions": 1, "max-transfers": 1}`,
		"dave":  `{"s3": {"access-key": "canary-key", "secret-key": "canary-secret"}, "prefix": "customers/alice/"}`,
	}}
	r, address := startHook(t, h, "--prefix=customers/{user}/")
	alice := keyLogin(t, address, "alice", "canary-pw", 230)
	exchange(t, alice, "STOR f", "of alice")
	bob := keyLogin(t, address, "bob", "canary-pw", 230)
	if got := exchange(t, bob, "RETR f", ""); got != "of alice" {
		t.Errorf("bob reads %q", got)
	}
	expect(t, bob, "DELE f", 550)
	carol := keyLogin(t, address, "carol", "canary-pw", 230)
	if text := expect(t, carol, "PWD", 257); !strings.Contains(text, `"/out"`) {
		t.Errorf("the session begins in %s", text)
	}
	exchange(t, carol, "STOR g", "of carol")
	expect(t, carol, "CWD /../../alice", 550)
	second := dial(t, address)
	expect(t, second, "USER carol", 331)
	if text := expect(t, second, "PASS canary-pw", 530); !strings.Contains(text, "Too many sessions") {
		t.Errorf("a second session: %s", text)
	}
	if got := exchange(t, keyLogin(t, address, "dave", "canary-pw", 230), "RETR f", ""); got != "of alice" {
		t.Errorf("dave reads %q", got)
	}
	h.mu.Lock()
	h.users["alice"] = 403
	h.mu.Unlock()
	keyLogin(t, address, "alice", "canary-pw", 530)
	expect(t, alice, "SIZE f", 213) // a running session goes on
	r.end(t)
	if text := r.stderr.String(); strings.Contains(text, "canary-pw") || strings.Contains(text, "canary-secret") || !strings.Contains(text, "refuses the login with 403") {
		t.Errorf("the log has a secret, or no reason:\n%s", text)
	}
}

// All refusals have the same words, and so have all logins that the hook does not decide. The log has the reasons, and no secret.
func TestHookRefusals(t *testing.T) {
	h := &testHook{users: map[string]any{
		"refused": 401, "forbidden": 403, "alice": "{}",
		"disabled": `{"disabled": true}`, "expired": `{"expires": "2020-01-01"}`, "elsewhere": `{"allow-from": ["192.0.2.0/24"]}`, "tls": `{"protocols": ["ftps"]}`,
		"own": `{"password": "$5$rounds=1000$salt$canary-hash-canary-hash-canary-hash-canary-"}`,

		"down": 500, "unwilling": 418, "moved": 307, "leaves": `{"prefix": "../bob/"}`, "wrong": `{"prefx": "canary"}`, "other": `{"name": "bob"}`,
		"twice": `{"prefix": "a/", "prefix": "b/"}`, "html": "<html>canary", "empty": "", "huge": `{"prefix": "` + strings.Repeat("x", 64<<10) + `"}`,
		"echo": func(w http.ResponseWriter, body []byte) { w.Write(body) },
		"cut":  func(w http.ResponseWriter, _ []byte) { io.WriteString(w, "{}"); panic(http.ErrAbortHandler) },
	}}
	h.users["own"] = strings.Replace(h.users["own"].(string), "canary-hash-canary-hash-canary-hash-canary-", strings.Repeat("x", 43), 1)
	file := usersFileOf(t, "", "users:\n  - {name: local, password: $local}\n", "local")
	r, address := startHook(t, h, "--users", file, "--auth-url-timeout=1s")
	const refusal, undecided = "Login incorrect.", "Login cannot be checked, try again later."
	cases := []struct{ user, reply, log string }{
		{"local", refusal, "wrong password"},
		{"unknown", refusal, "unknown user: the hook does not know the name"},
		{"refused", refusal, "the hook refuses the login with 401"},
		{"forbidden", refusal, "the hook refuses the login with 403"},
		{"disabled", refusal, "the user is disabled"},
		{"expired", refusal, "the user expired at"},
		{"elsewhere", refusal, "the user may not log in from 127.0.0.1"},
		{"tls", refusal, "the user may not log in with ftp"},
		{"own", refusal, "wrong password"},
		{"down", undecided, "the hook answers 500"},
		{"unwilling", undecided, "the hook answers 418"},
		{"moved", undecided, "the hook redirects with 307"},
		{"leaves", undecided, `user \"leaves\": prefix \"../bob/\": must be a prefix`},
		{"wrong", undecided, `user \"wrong\": prefx: no such key; did you mean prefix?`},
		{"other", undecided, `user \"other\": name \"bob\": must be \"other\"`},
		{"twice", undecided, "prefix: must be set only once"},
		{"html", undecided, "must be a JSON object"},
		{"empty", undecided, "must be a JSON object"},
		{"huge", undecided, "longer than 64 KiB"},
		{"echo", undecided, "password: must be a hash"},
		{"cut", undecided, "the hook cannot be asked: "},
	}
	sessions := make([]*textproto.Conn, len(cases))
	for i, x := range cases {
		sessions[i] = dial(t, address)
		expect(t, sessions[i], "USER "+x.user, 331)
		if err := sessions[i].PrintfLine("PASS canary-pw"); err != nil {
			t.Fatal(err)
		}
	}
	for i, x := range cases {
		if text := expect(t, sessions[i], "", 530); text != x.reply {
			t.Errorf("%s: %s", x.user, text)
		}
	}
	r.end(t)
	log := r.stderr.String()
	for _, x := range cases {
		event := map[string]string{refusal: "login.refused", undecided: "login.undecided"}[x.reply]
		line := regexp.MustCompile(`.*"event":"` + event + `".*"user":"` + x.user + `".*`).FindString(log)
		if !strings.Contains(line, x.log) {
			t.Errorf("%s: the log has not %q, but %s", x.user, x.log, line)
		}
	}
	if strings.Contains(log, "canary") {
		t.Errorf("the log has a secret:\n%s", log)
	}
}

// The hook is asked only about names that the users file does not have, and S3 only about those that the hook does not know.
func TestSourcesInOrder(t *testing.T) {
	awsEnvironment(t)
	store := openStore(t, map[string]string{"s3-key": "canary-secret-key", "both": "canary-secret-key", "canary-key": "canary-aws-secret"})
	if err := store.CreateBucket("invoices"); err != nil {
		t.Fatal(err)
	}
	s3 := httptest.NewServer(store.Handler())
	t.Cleanup(s3.Close)
	h := &testHook{users: map[string]any{"local": "{}", "alice": "{}", "both": "{}", "down": 500}}
	file := usersFileOf(t, "", "defaults: {prefix: 'of/{user}/'}\nusers:\n  - {name: local, password: $local}\n", "local")
	r := start(t, nil, "--auth-url", h.serve(t), "--users", file, "--auth=s3", "--ftp=127.0.0.1:0", "--bucket=invoices", "--endpoint", s3.URL, "--region=us-east-1")
	address := listening.FindStringSubmatch(r.stderr.await(t, `"msg":"listening"`))[1]
	for _, x := range []struct {
		user, password string
		code           int
		asked          []string
	}{
		{"local", "pw-local", 230, nil},
		{"local", "canary-pw", 530, nil},
		{"alice", "canary-pw", 230, []string{"alice"}},
		{"s3-key", "canary-secret-key", 230, []string{"s3-key"}},
		{"s3-key", "wrong", 530, []string{"s3-key"}},
		{"both", "canary-secret-key", 530, []string{"both"}}, // the hook knows the name, and decides
		{"down", "canary-secret-key", 530, []string{"down", "down"}},
	} {
		keyLogin(t, address, x.user, x.password, x.code)
		if got := h.requests(); !slices.Equal(got, x.asked) {
			t.Errorf("%s: the hook was asked about %v, want %v", x.user, got, x.asked)
		}
	}
	// The defaults of the file are those of the hook's users too.
	exchange(t, keyLogin(t, address, "alice", "canary-pw", 230), "STOR f", "x")
	if got := exchange(t, keyLogin(t, address, "s3-key", "canary-secret-key", 230), "NLST /of/alice", ""); !strings.Contains(got, "f\r\n") {
		t.Errorf("the directory of alice has %q", got)
	}
}

// A good login is remembered as the hook allows, until the users file, whose defaults apply, changes.
func TestRememberedHookUsers(t *testing.T) {
	h := &testHook{users: map[string]any{"alice": "{}"}, header: http.Header{"Cache-Control": {"max-age=300"}}}
	file := usersFileOf(t, "", "defaults: {permissions: rw}\nusers: []\n")
	r, address := startHook(t, h, "--users", file)
	alice := keyLogin(t, address, "alice", "canary-pw", 230)
	expect(t, keyLogin(t, address, "alice", "canary-pw", 230), "MKD d", 257)
	keyLogin(t, address, "alice", "wrong", 530)
	if got := h.requests(); len(got) != 2 {
		t.Errorf("the hook was asked about %v", got)
	}
	r.stderr.forget()
	usersFileOf(t, file, "defaults: {permissions: ro}\nusers: []\n")
	hangUp(t)
	r.stderr.await(t, `"msg":"users changed"`)
	expect(t, keyLogin(t, address, "alice", "canary-pw", 230), "MKD e", 550)
	expect(t, alice, "MKD e", 257) // a session keeps its user
	if got := h.requests(); len(got) != 1 {
		t.Errorf("after the change the hook was asked about %v", got)
	}
}

// Refusals of the hook count as failed logins. Logins that it does not decide do not.
func TestBansAndHook(t *testing.T) {
	h := &testHook{users: map[string]any{"alice": "{}", "down": 500, "anonymous": "{}"}}
	_, address := startHook(t, h, "--proxy-protocol-from=127.0.0.1", "--auth-url-timeout=10s")
	failLogins(t, 15, address, "198.51.100.1", "alice")
	expect(t, through(t, address, "198.51.100.1"), "", 421)
	failLogins(t, 15, address, "198.51.100.2", "nobody")
	expect(t, through(t, address, "198.51.100.2"), "", 421)
	failLogins(t, 15, address, "198.51.100.3", "down")
	expect(t, through(t, address, "198.51.100.3"), "", 220)
	c := through(t, address, "198.51.100.4")
	expect(t, c, "", 220)
	expect(t, c, "USER anonymous", 331)
	expect(t, c, "PASS canary-pw", 230)
	failLogins(t, 15, address, "198.51.100.4", "alice")
	expect(t, through(t, address, "198.51.100.4"), "", 421)
}

// roundTrip is a hook without a network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// newHook returns users of a hook that accepts all logins with this answer.
func newHook(t *testing.T, body string, header http.Header) *hookUsers {
	t.Helper()
	awsEnvironment(t)
	client, err := s3fs.NewClient(t.Context(), s3fs.Config{Endpoint: "http://127.0.0.1:1", Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	c := &config.Config{AuthURL: "http://127.0.0.1/", Bucket: "invoices", TLSClientCA: "ca.pem"}
	places := newPlaces(t.Context(), c, client, func(client *s3fs.Client) s3fs.Options { return s3fs.Options{} }, slog.New(slog.DiscardHandler))
	h := newHookUsers(c, places, nil, resources{hashing: auth.NewHashLimiter(1, 1<<30, 0)}, newTurns(), quiet)
	h.source.Client.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(strings.NewReader(body))}, nil
	})
	return h
}

// The keys of an answer about certificates and passwords hold as in a users file, in addition to the hook's own check.
func TestHookAnswersAboutProofs(t *testing.T) {
	alice := issue(t, pkix.Name{CommonName: "alice", Organization: []string{"Example"}}, year, nil).Leaf
	bob := issue(t, called("bob"), year, nil).Leaf
	hash, err := auth.Hash("canary-pw")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		body        string
		method      proxy.LoginMethod
		certificate *x509.Certificate
		in          bool
	}{
		{`{}`, proxy.ByPassword, nil, true},
		{`{}`, proxy.ByPassword, bob, true},
		{`{}`, proxy.ByCertificate, alice, true},
		{`{"certificate": "alice"}`, proxy.ByPassword, nil, true},
		{`{"certificate": "alice"}`, proxy.ByCertificate, alice, true},
		{`{"certificate": "alice"}`, proxy.ByCertificate, bob, false},
		{`{"certificate": "CN=alice,O=Example"}`, proxy.ByCertificate, alice, true},
		{`{"certificate": "alice", "second-factor": ["password", "certificate"]}`, proxy.ByPassword, alice, true},
		{`{"certificate": "alice", "second-factor": ["password", "certificate"]}`, proxy.ByPassword, bob, false},
		{`{"certificate": "alice", "second-factor": ["password", "certificate"]}`, proxy.ByPassword, nil, false},
		{`{"certificate": "alice", "second-factor": ["password", "certificate"]}`, proxy.ByCertificate, alice, false},
		{`{"password": "` + hash + `"}`, proxy.ByPassword, nil, true},
		{`{"password": "$5$rounds=1000$salt$` + strings.Repeat("x", 43) + `"}`, proxy.ByPassword, nil, false},
	} {
		h := newHook(t, x.body, nil)
		a := proxy.Attempt{User: "alice", Method: x.method, Certificate: x.certificate, Protocol: "ftp", TLS: "TLS 1.3", Peer: netip.MustParseAddrPort("192.0.2.7:1")}
		if x.method == proxy.ByPassword {
			a.Password = "canary-pw"
		}
		account, err := h.login(t.Context(), a)
		if x.in && (err != nil || account.User != "alice" || account.Store == nil) || !x.in && (!errors.Is(err, fs.ErrPermission) || account.Store != nil) {
			t.Errorf("%s by %s: %+v, %v", x.body, x.method, account, err)
		}
	}
}

// Memory for one hash of an answer is set aside at the start. An answer with a hash that needs more than half of the budget is invalid.
func TestHookAnswersWithLargeHashes(t *testing.T) {
	c := &config.Config{AuthURL: "http://127.0.0.1/", Memory: 64 << 20}
	all := newResources(c, nil)
	if got := all.hashing.Memory(); got != 19<<20 {
		t.Errorf("%d bytes are set aside", got)
	}
	for memory, invalid := range map[int]bool{32 << 10: false, 33 << 10: true} {
		h := newHook(t, fmt.Sprintf(`{"password": "$argon2id$v=19$m=%d,t=1,p=1$c29tZXNhbHQ$c29tZWhhc2hzb21laGFzaA"}`, memory), nil)
		h.hashing = all.hashing
		_, err := h.login(t.Context(), proxy.Attempt{User: "alice", Password: "canary-pw", Method: proxy.ByPassword})
		if refused := errors.Is(err, fs.ErrPermission); refused == invalid || invalid && !strings.Contains(err.Error(), "needs 33 MiB of memory") {
			t.Errorf("a hash of %d KiB: %v", memory, err)
		}
	}
}

// A session ends when its user expires, a remembered one too.
func TestExpiryOfHookUsers(t *testing.T) {
	h := newHook(t, "", http.Header{"Cache-Control": {"max-age=300"}})
	synctest.Test(t, func(t *testing.T) {
		until := time.Now().Add(time.Minute)
		h.source.Client.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
			body := fmt.Sprintf(`{"expires": %q}`, until.UTC().Format(time.RFC3339))
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Cache-Control": {"max-age=300"}}, Body: io.NopCloser(strings.NewReader(body))}, nil
		})
		a := proxy.Attempt{User: "alice", Password: "canary-pw", Method: proxy.ByPassword}
		account, err := h.login(t.Context(), a)
		if err != nil || !account.Limits.Until.Equal(until) {
			t.Fatalf("%+v, %v", account, err)
		}
		sessions := new(proxy.Sessions)
		ended := make(chan error, 1)
		s, err := sessions.Start(proxy.SessionInfo{}, func(cause error) { ended <- cause })
		if err != nil {
			t.Fatal(err)
		}
		defer s.End()
		if err := s.Login(account.User, account.Limits); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go endExpired(ctx, sessions, lookEvery)
		<-time.After(time.Minute - 1)
		if now, err := account.Now(); now != nil || err != nil || len(ended) != 0 {
			t.Errorf("before its end: %v, %v", now, err)
		}
		<-time.After(1)
		if _, err := account.Now(); !errors.Is(err, proxy.ErrUserRemoved) {
			t.Errorf("after its end: %v", err)
		}
		if err := <-ended; !errors.Is(err, proxy.ErrUserRemoved) {
			t.Errorf("ended with %v", err)
		}
		if _, err := h.login(t.Context(), a); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "expired") {
			t.Errorf("another login: %v", err)
		}
	})
}

// At most 64 logins ask the hook or S3 at a time, at most 64 wait, and others are refused. Remembered logins do not wait.
func TestTurns(t *testing.T) {
	h := newHook(t, "{}", http.Header{"Cache-Control": {"max-age=300"}})
	synctest.Test(t, func(t *testing.T) {
		h.turns = newTurns()
		attempt := proxy.Attempt{User: "alice", Password: "canary-pw", Method: proxy.ByPassword}
		if _, err := h.login(t.Context(), attempt); err != nil {
			t.Fatal(err)
		}
		running, most := 0, 0
		var mu sync.Mutex
		ofKeys := h.turns.limit(func(ctx context.Context, _ proxy.Attempt) (proxy.Account, error) {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			<-time.After(time.Second)
			mu.Lock()
			running--
			mu.Unlock()
			return proxy.Account{}, nil
		})
		var logins sync.WaitGroup
		for range 2 * maxTurns {
			logins.Go(func() {
				if _, err := ofKeys(t.Context(), attempt); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		other := attempt
		other.User = "bob"
		if _, err := h.login(t.Context(), other); err != proxy.ErrTooManyLogins {
			t.Errorf("one more: %v", err)
		}
		if _, err := h.login(t.Context(), attempt); err != nil {
			t.Errorf("a remembered one: %v", err)
		}
		begin := time.Now()
		logins.Wait()
		if d := time.Since(begin); most != maxTurns || d != 2*time.Second {
			t.Errorf("%d at a time, after %v", most, d)
		}
		ctx, cancel := context.WithCancel(t.Context())
		for range maxTurns {
			logins.Go(func() { ofKeys(t.Context(), attempt) })
		}
		synctest.Wait()
		waiting := make(chan error)
		go func() {
			_, err := h.login(ctx, other)
			waiting <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-waiting; !errors.Is(err, context.Canceled) || errors.Is(err, fs.ErrPermission) {
			t.Errorf("a client that leaves: %v", err)
		}
		logins.Wait()
		if len(h.turns.waiting) != 0 || len(h.turns.running) != 0 {
			t.Errorf("%d running and %d waiting are left", len(h.turns.running), len(h.turns.waiting))
		}
	})
}

// If no source knows a user, the login is refused.
func TestInTurn(t *testing.T) {
	var asked []string
	source := func(name string, err error) userSource {
		return userSource{login: func(context.Context, proxy.Attempt) (proxy.Account, error) {
			asked = append(asked, name)
			return proxy.Account{User: name}, err
		}}
	}
	errDown := errors.New("down")
	for _, x := range []struct {
		user        string
		first, last error
		want        error
		asked       string
	}{
		{"local", nil, nil, nil, "file"},
		{"x", nil, nil, nil, "first"},
		{"x", hook.ErrUnknownUser, nil, nil, "first last"},
		{"x", hook.ErrUnknownUser, errDown, errDown, "first last"},
		{"x", hook.ErrUnknownUser, hook.ErrUnknownUser, fs.ErrPermission, "first last"},
		{"x", errDown, nil, errDown, "first"},
		{"x", fs.ErrPermission, nil, fs.ErrPermission, "first"},
	} {
		asked = nil
		in := inTurn(func(name string) bool { return name == "local" }, source("file", nil), []userSource{source("first", x.first), source("last", x.last)})
		if _, err := in.login(t.Context(), proxy.Attempt{User: x.user}); !errors.Is(err, x.want) || strings.Join(asked, " ") != x.asked {
			t.Errorf("%+v: %v, asked %v", x, err, asked)
		}
	}
}

// check asks the hook about a made-up user, whom it must not accept.
func TestCheckHook(t *testing.T) {
	for _, x := range []struct {
		answer any
		want   string
	}{
		{nil, "ok    the hook answers 404: it does not know the made-up user s3ftpd-check\n"},
		{401, "ok    the hook answers: it refuses the made-up user s3ftpd-check\n"},
		{200, "FAIL  the hook accepts the made-up user s3ftpd-check: anybody can log in\n      advice: let it answer 404"},
		{500, "FAIL  the hook answers 500: must be 200 (accepted), 401 or 403 (refused), or 404 (unknown user)\n"},
	} {
		h := &testHook{users: map[string]any{madeUpUser: x.answer}}
		s3 := httptest.NewServer(embedded(t, "invoices"))
		code, text, _ := output(t, "", nil, "check", "--auth-url", h.serve(t), "--bucket=invoices", "--prefix=customers/{user}/", "--endpoint", s3.URL,
			"--region=us-east-1", "--ftp=127.0.0.1:0", "--passive-ports=1024-65535", "--active=false")
		if !strings.Contains(text, x.want) || !strings.Contains(text, "ok    an object can be deleted\n") || (code == exitFailure) != strings.HasPrefix(x.want, "FAIL") {
			t.Errorf("%v: code %d\n%s", x.answer, code, text)
		}
		s3.Close()
	}
	for prefix, want := range map[string]string{"": "", "a/b/": "a/b/", "{user}/": "", "a/{user}/b/": "a/", "a/b-{user}/": "a/", "{user}/{user}/": ""} {
		if got := commonPrefix(prefix); got != want {
			t.Errorf("%s: got %s, want %s", prefix, got, want)
		}
	}
}
