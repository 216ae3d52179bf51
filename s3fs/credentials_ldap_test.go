package s3fs

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// An ldapSTS answers as MinIO's STS: with keys for an hour, by a clock that is wrong, or with an error.
type ldapSTS struct {
	wrong   time.Duration
	message string // of an error; "" = keys
	asked   int
}

func (s *ldapSTS) Do(r *http.Request) (*http.Response, error) {
	s.asked++
	now := time.Now().Add(s.wrong)
	status, body := http.StatusOK, fmt.Sprintf(`<AssumeRoleWithLDAPIdentityResponse><AssumeRoleWithLDAPIdentityResult><Credentials><AccessKeyId>key%d</AccessKeyId>`+
		`<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleWithLDAPIdentityResult>`+
		`</AssumeRoleWithLDAPIdentityResponse>`, s.asked, now.Add(time.Hour).UTC().Format(time.RFC3339))
	if s.message != "" {
		status, body = http.StatusBadRequest, `<ErrorResponse><Error><Code>InvalidParameterValue</Code><Message>`+s.message+`</Message></Error></ErrorResponse>`
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Date": {now.UTC().Format(http.TimeFormat)}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// The keys of a user in LDAP are renewed before they expire, by the clock of the service. If that fails they are used to their end.
// If it is refused, the user knows at once.
func TestLDAPKeysAreRenewed(t *testing.T) {
	const wrongPassword = `LDAP server error: LDAP auth failed for DN uid=alice: LDAP Result Code 49 "Invalid Credentials": `
	for _, wrong := range []time.Duration{0, -5 * time.Hour, 5 * time.Hour} {
		service := &ldapSTS{wrong: wrong}
		base := dial(t, Config{Endpoint: "http://127.0.0.1:1", Credentials: keys("base", "s"), HTTPClient: service})
		synctest.Test(t, func(t *testing.T) {
			u, err := base.LoginLDAP(t.Context(), "alice", "canary-alice")
			if err != nil {
				t.Fatal(err)
			}
			check := func(when, want string, isRefused bool) {
				t.Helper()
				got, err := u.Client.api.Options().Credentials.Retrieve(t.Context())
				if want == "" && err == nil || want != "" && (err != nil || got.AccessKeyID != want || got.SessionToken != "t") || u.IsRefused() != isRefused {
					t.Errorf("clock %v, %s: %s, %v, refused: %v; want %s, refused: %v", wrong, when, got.AccessKeyID, err, u.IsRefused(), want, isRefused)
				}
			}
			check("at first", "key1", false)
			<-time.After(time.Hour - renewal - time.Minute)
			check("in the hour", "key1", false)
			<-time.After(2 * time.Minute)
			check("shortly before the end", "key2", false)
			<-time.After(time.Hour - renewal + time.Second)
			service.message = "LDAP server error: down"
			check("LDAP is down", "key2", false)
			service.message = wrongPassword
			check("password changed", "key2", true)
			<-time.After(renewal)
			check("ended", "", true)
			service.message = ""
			check("password as before", "key6", true)
		})
	}
}

func TestLDAPUserIsUnknown(t *testing.T) {
	service := &ldapSTS{message: "LDAP server error: Unable to find user DN: User DN not found for: alice"}
	u, err := dial(t, Config{Endpoint: "http://127.0.0.1:1", HTTPClient: service}).LoginLDAP(t.Context(), "alice", "canary-alice")
	if u != nil || !errors.Is(err, ErrUnknownLDAPUser) || errors.Is(err, ErrRefusedLDAPUser) {
		t.Errorf("%v, %v", u, err)
	}
}
