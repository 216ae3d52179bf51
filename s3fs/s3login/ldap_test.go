package s3login

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/grant"
	"github.com/s3ftpd/s3ftpd/s3fs"
	"github.com/s3ftpd/s3ftpd/test/real"
)

const (
	accepted  = "accepted"
	refused   = "refused"
	unknown   = "unknown"
	undecided = "undecided"
)

// verdict returns what a login has yielded. No error may have the password.
func verdict(t *testing.T, account proxy.Account, err error, password string) string {
	t.Helper()
	if err != nil && len(password) > 3 && strings.Contains(err.Error(), password) {
		t.Errorf("the password is in the error %q", err)
	}
	switch isRefusal := errors.Is(err, fs.ErrPermission); {
	case err == nil && account.Store != nil:
		return accepted
	case account.Store != nil:
		t.Errorf("an account with the error %v", err)
	case errors.Is(err, proxy.ErrUnknownUser) && isRefusal:
		return unknown
	case isRefusal:
		return refused
	}
	return undecided
}

// newLDAP returns a source of LDAP users for an endpoint.
func newLDAP(t *testing.T, endpoint string) *Source {
	t.Helper()
	s := newSource(t, s3fs.Config{Endpoint: endpoint}, s3fs.Options{})
	return NewLDAP(s.client, s.options, grant.Buckets)
}

// MinIO asks slapd about users. It cannot while slapd is down, and STS cannot while MinIO is.
func TestLDAPLogin(t *testing.T) {
	directory := real.Slapd(t, map[string]string{"alice": "canary-alice", "bob": "canary-bob", "carol": "canary-carol"})
	server := real.MinIOWithLDAP(t, directory)
	server.AddPolicy(t, "invoices", real.BucketPolicy("invoices"))
	server.AttachPolicy(t, "invoices", directory.DN("alice"))
	server.AttachPolicy(t, "invoices", directory.DN("bob"))
	s := newLDAP(t, server.Endpoint)
	check := func(when, user, password, want string) {
		t.Helper()
		account, err := s.Login(t.Context(), attempt(user, password))
		if got := verdict(t, account, err, password); got != want {
			t.Errorf("%s, %q: %s, %v; want %s", when, user, got, err, want)
		}
		if want == accepted && account.User != "alice" {
			t.Errorf("%s: the user is %q", when, account.User)
		}
	}
	check("right", "alice", "canary-alice", accepted)
	check("suffix", "alice=ldap", "canary-alice", accepted)
	check("suffix of keys", "alice=svc", "canary-alice", unknown)
	check("password of another", "alice", "canary-bob", refused)
	check("no password", "alice", "", refused)
	check("no policy", "carol", "canary-carol", refused)
	check("unknown", "mallory", "canary-alice", unknown)
	check("no name", "", "canary-alice", unknown)
	check("filter", "ali*", "canary-alice", unknown)
	check("filter", "alice)(uid=*", "canary-alice", unknown)
	check("keys", server.AccessKey, server.SecretKey, unknown)
	check("code of another error", "x: LDAP Result Code 49 ", "canary-alice", unknown)
	directory.Process.Kill()
	directory.Process.Wait()
	check("LDAP down", "alice", "canary-alice", undecided)
	check("LDAP down", "mallory", "canary-alice", undecided)
	directory.Restart(t)
	check("LDAP up again", "alice", "canary-alice", accepted)
	server.Process.Kill()
	server.Process.Wait()
	check("MinIO down", "alice", "canary-alice", undecided)
}

// MinIO without LDAP, and services without STS, cannot decide.
func TestLDAPLoginWithoutLDAP(t *testing.T) {
	for name, endpoint := range map[string]string{"MinIO": real.MinIO(t).Endpoint, "versitygw": real.VersityGW(t).Endpoint, "gofakes3": real.GoFakeS3(t).Endpoint} {
		account, err := newLDAP(t, endpoint).Login(t.Context(), attempt("alice", "canary-alice"))
		if got := verdict(t, account, err, "canary-alice"); got != undecided || !strings.Contains(err.Error(), "MinIO") {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

// stsAnswer is an answer of MinIO with keys, which are valid for a time after now.
func stsAnswer(now time.Time, valid time.Duration) string {
	return `<AssumeRoleWithLDAPIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithLDAPIdentityResult><Credentials>` +
		`<AccessKeyId>temporary</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>canary-token</SessionToken><Expiration>` +
		now.Add(valid).UTC().Format(time.RFC3339) + `</Expiration></Credentials></AssumeRoleWithLDAPIdentityResult></AssumeRoleWithLDAPIdentityResponse>`
}

// stsError is an answer of MinIO without keys.
func stsError(code, message string) string {
	return `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type></Type><Code>` + code + `</Code><Message>` + message +
		`</Message></Error><RequestId>1</RequestId></ErrorResponse>`
}

// Only keys accept a login, and only what LDAP has said of the user refuses it. A request is repeated once if another may succeed.
func TestAnswersOfSTS(t *testing.T) {
	const invalid = "InvalidParameterValue"
	bind := func(code string) string {
		return stsError(invalid, `LDAP server error: LDAP auth failed for DN uid=alice,dc=example: LDAP Result Code `+code+` "Reason": `)
	}
	good := stsAnswer(time.Now(), time.Hour)
	for _, x := range []struct {
		status   int
		body     string
		want     string
		requests int
	}{
		{200, good, accepted, 1},
		{200, "", undecided, 1},
		{200, "<html>", undecided, 1},
		{200, good[:len(good)-10], undecided, 1},
		{200, strings.Replace(good, "canary-token", "", 1), undecided, 1},
		{200, strings.Replace(good, "temporary", "", 1), undecided, 1},
		{200, strings.ReplaceAll(good, "LDAPIdentity", "WebIdentity"), undecided, 1},
		{200, stsAnswer(time.Now(), -time.Minute), undecided, 1},
		{200, strings.Repeat(" ", 70<<10) + good, undecided, 1},
		{201, good, undecided, 1},
		{307, good, undecided, 1},
		{400, bind("49"), refused, 1},
		{400, bind("53"), refused, 1},
		{400, bind("51"), undecided, 1},
		{400, bind("200"), undecided, 1},
		{500, bind("49"), undecided, 2},
		{400, stsError("InternalError", "LDAP server error: LDAP auth failed for DN x: LDAP Result Code 49 "), undecided, 1},
		{400, stsError(invalid, "LDAP server error: LDAP Result Code 49 "), undecided, 1},
		{400, stsError(invalid, `LDAP server error: LDAP Lookup Bind user invalid credentials error: LDAP Result Code 49 "Invalid Credentials": `), undecided, 1},
		{400, stsError(invalid, "LDAP server error: Unable to find user DN: User DN not found for: alice"), unknown, 1},
		{400, stsError(invalid, "LDAP server error: Unable to find user DN: User DN for alice not found"), unknown, 1},
		{400, stsError(invalid, "LDAP server error: Unable to find user DN: User DN not found for: bob"), undecided, 1},
		{400, stsError(invalid, "LDAP server error: Unable to find user DN: Multiple DNs for alice found"), undecided, 1},
		{400, stsError(invalid, "expecting a policy to be set for user `uid=alice` or one of their groups"), refused, 1},
		{400, stsError(invalid, "LDAP server error: LDAP is not configured"), undecided, 1},
		{400, stsError(invalid, "canary-alice"), undecided, 1},
		{403, stsError("AccessDenied", "x"), undecided, 1},
		{404, "<Error><Code>NoSuchKey</Code></Error>", undecided, 1},
		{503, stsError("STSIAMNotInitialized", "try again"), undecided, 2},
	} {
		requests := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests++
			if r.FormValue("LDAPUsername") != "alice" || r.FormValue("LDAPPassword") != "canary-alice" || r.URL.RawQuery != "" || r.URL.Path != "/" {
				t.Errorf("%s %s", r.Method, r.URL)
			}
			w.WriteHeader(x.status)
			fmt.Fprint(w, x.body)
		}))
		account, err := newLDAP(t, server.URL).Login(t.Context(), attempt("alice", "canary-alice"))
		if got := verdict(t, account, err, "canary-alice"); got != x.want || requests != x.requests {
			t.Errorf("%d %s: %s after %d requests, %v; want %s after %d", x.status, x.body, got, requests, err, x.want, x.requests)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("a secret is in the error %q", err)
		}
		server.Close()
	}
}

// If MinIO does not answer, a login ends undecided after some seconds.
func TestLDAPLoginWithoutAnswer(t *testing.T) {
	s := newSource(t, s3fs.Config{Endpoint: "http://127.0.0.1:1", HTTPClient: silent{}}, s3fs.Options{})
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		account, err := NewLDAP(s.client, s.options, grant.Buckets).Login(t.Context(), attempt("alice", "canary-alice"))
		if got := verdict(t, account, err, "canary-alice"); got != undecided || time.Since(begin) > timeout+time.Second {
			t.Errorf("%s after %v, %v", got, time.Since(begin), err)
		}
	})
}

// failing is a service whose request fails with an error that looks like a refusal, as a firewall's does.
type failing struct{}

func (failing) Do(*http.Request) (*http.Response, error) {
	return nil, &url.Error{Op: "Post", URL: "http://127.0.0.1:1/", Err: fs.ErrPermission}
}

func TestLDAPLoginBehindFirewall(t *testing.T) {
	s := newSource(t, s3fs.Config{Endpoint: "http://127.0.0.1:1", HTTPClient: failing{}}, s3fs.Options{})
	account, err := NewLDAP(s.client, s.options, grant.Buckets).Login(t.Context(), attempt("alice", "canary-alice"))
	if got := verdict(t, account, err, "canary-alice"); got != undecided {
		t.Errorf("%s, %v", got, err)
	}
}
