package s3fs

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Errors of logins that LDAP has decided about.
var (
	ErrUnknownLDAPUser = errors.New("LDAP does not know the user")
	ErrRefusedLDAPUser = errors.New("LDAP refuses the login")
)

// An LDAPUser is a user whom MinIO has found in LDAP, and whose password is right. Its requests are signed with temporary keys.
type LDAPUser struct {
	Client  *Client // with the user's keys; must not be closed
	refused atomic.Bool
}

// IsRefused reports whether MinIO has refused to renew the keys: the password has changed, or the user has been removed.
func (u *LDAPUser) IsRefused() bool { return u.refused.Load() }

// LoginLDAP asks MinIO for the temporary keys of a user in LDAP, with its AssumeRoleWithLDAPIdentity. The error is
// ErrUnknownLDAPUser or ErrRefusedLDAPUser if MinIO has decided. After any other error it is unknown whether the password is right.
//
// The keys are renewed with the password, some minutes before they expire, when a request needs them. The client of the user
// shares what that of WithKeys does.
func (c *Client) LoginLDAP(ctx context.Context, user, password string) (*LDAPUser, error) {
	u := new(LDAPUser)
	keys := &ldapKeys{client: c, user: user, password: password, refused: &u.refused}
	cache := aws.NewCredentialsCache(renewed{keys}, func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = renewal })
	if _, err := cache.Retrieve(ctx); err != nil {
		return nil, err
	}
	u.Client = c.derive(c.http, c.endpoints, "", func(config *aws.Config) { config.Credentials = cache })
	return u, nil
}

// ldapKeys gets temporary keys of a user in LDAP.
type ldapKeys struct {
	client         *Client
	user, password string
	refused        *atomic.Bool // set if the keys are not renewed
}

const (
	stsTimeout = 10 * time.Second // of both attempts together; MinIO gives LDAP 30 s
	stsPause   = 200 * time.Millisecond
	maxSTSBody = 64 << 10
)

// Retrieve implements aws.CredentialsProvider. It repeats a request without an answer once.
func (k *ldapKeys) Retrieve(ctx context.Context) (aws.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, stsTimeout)
	defer cancel()
	keys, again, err := k.ask(ctx)
	if again {
		select {
		case <-ctx.Done():
		case <-time.After(stsPause):
			keys, _, err = k.ask(ctx)
		}
	}
	if errors.Is(err, ErrUnknownLDAPUser) || errors.Is(err, ErrRefusedLDAPUser) {
		k.refused.Store(true)
	}
	return keys, err
}

// ask sends one request. The password is in its body, because URLs are logged. Again says that another one may succeed.
func (k *ldapKeys) ask(ctx context.Context) (keys aws.Credentials, again bool, err error) {
	form := url.Values{"Action": {"AssumeRoleWithLDAPIdentity"}, "Version": {"2011-06-15"}, "LDAPUsername": {k.user}, "LDAPPassword": {k.password}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(k.client.Endpoint(), "/")+"/", strings.NewReader(form.Encode()))
	if err != nil {
		return aws.Credentials{}, false, errors.New("the endpoint is not a URL that has STS")
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := k.client.http.Do(r)
	if err != nil {
		if e := (*url.Error)(nil); errors.As(err, &e) {
			err = e.Err
		}
		return aws.Credentials{}, true, fmt.Errorf("asking STS about an LDAP user: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxSTSBody))
	switch {
	case err != nil:
		return aws.Credentials{}, true, fmt.Errorf("reading the answer of STS: %w", err)
	case response.StatusCode != http.StatusOK:
		return aws.Credentials{}, response.StatusCode >= 500, k.failure(response.StatusCode, body)
	}
	keys, err = readKeys(body, response.Header.Get("Date"))
	return keys, false, err
}

// readKeys reads the answer of STS. The keys expire by the clock of the service, so its date says how long they are valid.
func readKeys(body []byte, date string) (aws.Credentials, error) {
	var answer struct {
		XMLName xml.Name  `xml:"AssumeRoleWithLDAPIdentityResponse"`
		Key     string    `xml:"AssumeRoleWithLDAPIdentityResult>Credentials>AccessKeyId"`
		Secret  string    `xml:"AssumeRoleWithLDAPIdentityResult>Credentials>SecretAccessKey"`
		Token   string    `xml:"AssumeRoleWithLDAPIdentityResult>Credentials>SessionToken"`
		Expires time.Time `xml:"AssumeRoleWithLDAPIdentityResult>Credentials>Expiration"`
	}
	err := xml.Unmarshal(body, &answer)
	if err != nil || answer.Key == "" || answer.Secret == "" || answer.Token == "" || answer.Expires.IsZero() {
		return aws.Credentials{}, errors.New("the answer of STS has no keys: the endpoint must be that of MinIO")
	}
	lifetime := time.Until(answer.Expires)
	if now, err := http.ParseTime(date); err == nil {
		lifetime = answer.Expires.Sub(now)
	}
	if lifetime <= 0 {
		return aws.Credentials{}, errors.New("the keys that STS has sent have expired")
	}
	return aws.Credentials{AccessKeyID: answer.Key, SecretAccessKey: answer.Secret, SessionToken: answer.Token, Source: "LDAP",
		CanExpire: true, Expires: time.Now().Add(lifetime)}, nil
}

// What MinIO answers about users in LDAP. Its code is InvalidParameterValue whatever the reason is.
const (
	ldapError      = "LDAP server error: "
	ldapNoDN       = "Unable to find user DN: User DN "
	ldapNoBind     = "LDAP auth failed for DN "
	ldapNoPolicy   = "expecting a policy to be set for user "
	ldapNoProvider = "LDAP is not configured"
)

// refusals are the codes of LDAP (RFC 4511, appendix A) that say something about the user, by which MinIO knows that a password is
// wrong or that a user is locked: constraintViolation, inappropriateAuthentication, invalidCredentials, insufficientAccessRights and
// unwillingToPerform.
var refusals = []string{"19", "48", "49", "50", "53"}

// failure returns the error for an answer that has no keys.
func (k *ldapKeys) failure(status int, body []byte) error {
	var answer struct {
		XMLName xml.Name `xml:"ErrorResponse"`
		Code    string   `xml:"Error>Code"`
		Message string   `xml:"Error>Message"`
	}
	if xml.Unmarshal(body, &answer) != nil || answer.Code == "" {
		return fmt.Errorf("STS answers %d: the endpoint must be that of MinIO with LDAP", status)
	}
	message, ofLDAP := strings.CutPrefix(answer.Message, ldapError)
	switch decided := status == http.StatusBadRequest && answer.Code == "InvalidParameterValue"; {
	case decided && strings.HasPrefix(answer.Message, ldapNoPolicy):
		return fmt.Errorf("%w: the user and its groups have no policy in MinIO", ErrRefusedLDAPUser)
	case decided && ofLDAP && (message == ldapNoDN+"not found for: "+k.user || message == ldapNoDN+"for "+k.user+" not found"):
		return ErrUnknownLDAPUser
	case decided && ofLDAP && strings.HasPrefix(message, ldapNoBind) && hasRefusal(message):
		return fmt.Errorf("%w: wrong password, or the user is locked", ErrRefusedLDAPUser)
	case ofLDAP && message == ldapNoProvider:
		return errors.New("MinIO is not configured for LDAP: set MINIO_IDENTITY_LDAP_SERVER_ADDR and the others there")
	}
	if strings.Contains(answer.Message, k.password) {
		answer.Message = "(a message with the password)"
	}
	return fmt.Errorf("STS answers %d, %.64q: %.300q", status, answer.Code, answer.Message)
}

// hasRefusal reports whether a message of MinIO ends with a code of refusals and its name.
func hasRefusal(message string) bool {
	i := strings.LastIndex(message, ": LDAP Result Code ")
	if i < 0 {
		return false
	}
	code, _, _ := strings.Cut(message[i+len(": LDAP Result Code "):], " ")
	return slices.Contains(refusals, code)
}
