package hook

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A roundTrip is a hook without a network, for tests in a bubble.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A fakeHook answers with a status, and counts its requests.
type fakeHook struct {
	status   int
	header   http.Header
	delay    time.Duration
	requests int
}

func (h *fakeHook) answer(r *http.Request) (*http.Response, error) {
	h.requests++
	status := h.status
	select {
	case <-time.After(h.delay):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: status, Header: h.header, Body: io.NopCloser(strings.NewReader("{}"))}, nil
}

// source returns a source for the hook.
func (h *fakeHook) source() *Source[string] {
	return &Source[string]{URL: "http://127.0.0.1/", Client: &http.Client{Transport: roundTrip(h.answer)},
		Accept: func(context.Context, proxy.Attempt, []byte) (string, error) { return "result", nil }}
}

// remembered returns the number of remembered logins, each of another user, or -1 if the counts differ.
func (s *Source[U]) remembered() int {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	if s.memory.size != len(s.memory.logins) {
		return -1
	}
	return s.memory.size
}

func cache(control ...string) http.Header { return http.Header{"Cache-Control": control} }

// try logs in, and returns the verdict.
func try(t *testing.T, s *Source[string], a proxy.Attempt) string {
	t.Helper()
	if result, ok := s.Remembered(a); ok {
		return "remembered " + result
	}
	result, err := s.Login(t.Context(), a)
	return verdict(t, result, err)
}

// Each of two requests may take the time limit, and no more.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHook{status: 200, delay: 3*time.Second + 1}
		s := h.source()
		s.Timeout = 3 * time.Second
		begin := time.Now()
		result, err := s.Login(t.Context(), attempt())
		if got := verdict(t, result, err); got != undecided || h.requests != 2 || err.Error() != "the hook has not answered within 3s" {
			t.Errorf("%s after %d requests: %v", got, h.requests, err)
		}
		if d := time.Since(begin); d != 6*time.Second+retryPause {
			t.Errorf("it took %v", d)
		}
		h.delay = 3*time.Second - 1
		if got := try(t, s, attempt()); got != accepted {
			t.Errorf("in time: %s", got)
		}
	})
}

// A client that leaves ends the request at once, and there is no second one.
func TestClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHook{status: 200, delay: time.Hour}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		result, err := h.source().Login(ctx, attempt())
		if got := verdict(t, result, err); got != undecided || h.requests != 1 || time.Since(begin) != time.Second {
			t.Errorf("%s after %d requests and %v: %v", got, h.requests, time.Since(begin), err)
		}
	})
}

// A good login is remembered as long as Cache-Control allows, at most 5 minutes.
func TestCacheControl(t *testing.T) {
	for _, x := range []struct {
		header http.Header
		want   time.Duration
	}{
		{nil, 0},
		{cache(""), 0},
		{cache("max-age=60"), time.Minute},
		{cache("private, MAX-AGE = 60 , must-revalidate"), time.Minute},
		{cache(`max-age="60"`), time.Minute},
		{cache("max-age=300"), 5 * time.Minute},
		{cache("max-age=301"), 5 * time.Minute},
		{cache("max-age=99999999999999999999999999"), 5 * time.Minute},
		{cache("max-age=0"), 0},
		{cache("max-age=-1"), 0},
		{cache("max-age=1.5"), 0},
		{cache("max-age"), 0},
		{cache("max-age="), 0},
		{cache("max-age=60s"), 0},
		{cache("s-maxage=60"), 0},
		{cache("max-age=60, max-age=30"), 30 * time.Second},
		{cache("max-age=30", "max-age=60"), 30 * time.Second},
		{cache("max-age=60, max-age=x"), 0},
		{cache("no-store, max-age=60"), 0},
		{cache("max-age=60", "No-Cache"), 0},
		{cache(`no-cache="set-cookie", max-age=60`), 0},
		{http.Header{"Cache-Control": {"max-age=60"}, "Age": {"20"}}, 40 * time.Second},
		{http.Header{"Cache-Control": {"max-age=60"}, "Age": {"61"}}, 0},
		{http.Header{"Expires": {"Fri, 01 Jan 2100 00:00:00 GMT"}}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := &fakeHook{status: 200, header: x.header}
			s := h.source()
			if got := try(t, s, attempt()); got != accepted {
				t.Errorf("%v: %s", x.header, got)
			}
			if x.want > 0 {
				<-time.After(x.want - 1)
				if got := try(t, s, attempt()); got != "remembered result" {
					t.Errorf("%v: %s after %v", x.header, got, x.want-1)
				}
				<-time.After(1)
			}
			if got := try(t, s, attempt()); got != accepted || h.requests != 2 {
				t.Errorf("%v: %s after %v", x.header, got, x.want)
			}
		})
	}
}

// What is remembered goes when its time is over, even if nobody asks for it: it may have secrets.
func TestForgottenByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := (&fakeHook{status: 200, header: cache("max-age=60")}).source()
		try(t, s, attempt())
		if n := s.remembered(); n != 1 {
			t.Errorf("%d logins", n)
		}
		<-time.After(time.Minute)
		synctest.Wait()
		if n := s.remembered(); n != 0 {
			t.Errorf("%d logins after their time", n)
		}
	})
}

// Only an attempt that is equal in all that the hook was told is remembered. The session and the port do not count.
func TestOtherAttempts(t *testing.T) {
	for name, x := range map[string]struct {
		change func(*proxy.Attempt)
		want   string
	}{
		"another session":     {func(a *proxy.Attempt) { a.Session, a.Peer = "x", netip.MustParseAddrPort("192.0.2.7:9") }, "remembered result"},
		"another user":        {func(a *proxy.Attempt) { a.User = "bob" }, accepted},
		"another password":    {func(a *proxy.Attempt) { a.Password += "x" }, accepted},
		"another address":     {func(a *proxy.Attempt) { a.Peer = netip.MustParseAddrPort("192.0.2.8:1025") }, accepted},
		"another protocol":    {func(a *proxy.Attempt) { a.Protocol = "sftp" }, accepted},
		"another TLS version": {func(a *proxy.Attempt) { a.TLS = "TLS 1.2" }, accepted},
		"without TLS":         {func(a *proxy.Attempt) { a.TLS = "" }, accepted},
		"another method":      {func(a *proxy.Attempt) { a.Method = proxy.ByCertificate }, accepted},
		"with a public key":   {func(a *proxy.Attempt) { a.PublicKey = publicKey }, accepted},
		"with a certificate":  {func(a *proxy.Attempt) { a.Certificate = &x509.Certificate{Raw: []byte("x")} }, accepted},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := (&fakeHook{status: 200, header: cache("max-age=60")}).source()
			try(t, s, attempt())
			other := attempt()
			x.change(&other)
			if got := try(t, s, other); got != x.want {
				t.Errorf("%s: %s", name, got)
			}
		})
	}
}

// Later answers of the hook end what is remembered of the same password, or of the user.
func TestForgottenByAnswers(t *testing.T) {
	elsewhere := func(password string) proxy.Attempt {
		a := attempt()
		a.Peer, a.Password = netip.MustParseAddrPort("192.0.2.8:1"), password
		return a
	}
	for name, x := range map[string]struct {
		status int
		other  proxy.Attempt
		want   string
	}{
		"refused from another address":       {401, elsewhere(canary), accepted},
		"a wrong password":                   {401, elsewhere("wrong"), "remembered result"},
		"a new password":                     {200, elsewhere("new"), accepted},
		"the user is gone":                   {404, elsewhere("wrong"), accepted},
		"undecided":                          {500, elsewhere(canary), "remembered result"},
		"the same password, another address": {200, elsewhere(canary), "remembered result"},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := &fakeHook{status: 200, header: cache("max-age=60")}
			s := h.source()
			try(t, s, attempt())
			h.status = x.status
			try(t, s, x.other)
			h.status = 200
			if got := try(t, s, attempt()); got != x.want {
				t.Errorf("%s: %s", name, got)
			}
		})
	}
}

// A user may have several public keys. A refused one leaves the others.
func TestSeveralKeysAreRemembered(t *testing.T) {
	key := func(last byte) proxy.Attempt {
		a := attempt()
		a.Method, a.Password, a.PublicKey = proxy.ByPublicKey, "", append(slices.Clone(publicKey), last)
		return a
	}
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHook{status: 200, header: cache("max-age=60")}
		s := h.source()
		try(t, s, key(1))
		try(t, s, key(2))
		h.status = 401
		elsewhere := key(2)
		elsewhere.Peer = netip.MustParseAddrPort("192.0.2.8:1")
		try(t, s, elsewhere)
		for last, want := range map[byte]string{1: "remembered result", 2: refused, 3: refused} {
			if got := try(t, s, key(last)); got != want {
				t.Errorf("key %d: %s, want %s", last, got, want)
			}
		}
	})
}

// An answer that was overtaken by a later one, or by Forget, is not remembered.
func TestOvertakenAnswers(t *testing.T) {
	for name, meanwhile := range map[string]func(*testing.T, *fakeHook, *Source[string]){
		"refused": func(t *testing.T, h *fakeHook, s *Source[string]) {
			h.status, h.delay = 403, 0
			if got := try(t, s, attempt()); got != refused {
				t.Error(got)
			}
		},
		"gone": func(t *testing.T, h *fakeHook, s *Source[string]) {
			h.status, h.delay = 404, 0
			other := attempt()
			other.Password = "other"
			if got := try(t, s, other); got != unknown {
				t.Error(got)
			}
		},
		"Forget": func(_ *testing.T, _ *fakeHook, s *Source[string]) { s.Forget() },
	} {
		synctest.Test(t, func(t *testing.T) {
			h := &fakeHook{status: 200, header: cache("max-age=60"), delay: time.Second}
			s := h.source()
			done := make(chan string)
			go func() { done <- try(t, s, attempt()) }()
			synctest.Wait()
			meanwhile(t, h, s)
			if got := <-done; got != accepted {
				t.Errorf("%s: %s", name, got)
			}
			if _, ok := s.Remembered(attempt()); ok {
				t.Errorf("%s: remembered", name)
			}
			if len(s.memory.questions) != 0 {
				t.Errorf("%s: %d questions are left", name, len(s.memory.questions))
			}
		})
	}
}

func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := (&fakeHook{status: 200, header: cache("max-age=60")}).source()
		try(t, s, attempt())
		s.Forget()
		if _, ok := s.Remembered(attempt()); ok || s.remembered() != 0 {
			t.Error("remembered")
		}
	})
}

// The memory is bounded.
func TestManyLogins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := (&fakeHook{status: 200, header: cache("max-age=60")}).source()
		a := attempt()
		for i := range maxLogins + 100 {
			a.User = fmt.Sprint("user", i)
			try(t, s, a)
		}
		if n := s.remembered(); n != maxLogins {
			t.Errorf("%d logins", n)
		}
		if got := try(t, s, a); got != "remembered result" {
			t.Errorf("the last one: %s", got)
		}
	})
}
