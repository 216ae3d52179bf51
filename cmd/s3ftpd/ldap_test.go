package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// minioWithLDAP starts MinIO with users of LDAP, who have a policy for the bucket with their name, and an access key of the user alice.
func minioWithLDAP(t *testing.T) (keyService, *real.LDAP) {
	t.Helper()
	awsEnvironment(t)
	directory := real.Slapd(t, map[string]string{"alice": "canary-alice", "bob": "canary-bob", "svc-key": "canary-other", "carol": "canary-carol"})
	server := real.MinIOWithLDAP(t, directory)
	for _, user := range []string{"alice", "bob", "svc-key"} {
		server.AddPolicy(t, user, real.BucketPolicy(user+"-files"))
		server.AttachPolicy(t, user, directory.DN(user))
	}
	server.AddServiceAccount(t, "alice", "svc-key", "canary-svc-secret")
	real.AwaitKeys(t, server)
	return keyService{server.Endpoint, server.Region, server.AccessKey, server.SecretKey}, directory
}

// startLDAP starts a server for a service with --auth, and returns its address.
func startLDAP(t *testing.T, s keyService, auth string, args ...string) (*running, string) {
	t.Helper()
	r := start(t, nil, append([]string{"--auth", auth, "--ftp", "127.0.0.1:0", "--endpoint", s.endpoint, "--region", s.region, "--log-level", "debug",
		"--ban-after", "0"}, args...)...)
	return r, listening.FindStringSubmatch(r.stderr.await(t, `"msg":"listening"`))[1]
}

// hidesSecrets reports secrets in the log.
func hidesSecrets(t *testing.T, r *running) {
	t.Helper()
	for _, secret := range []string{"canary", "eyJ"} { // passwords, and the beginning of MinIO's session tokens
		if strings.Contains(r.stderr.String(), secret) {
			t.Errorf("%q is in the log:\n%s", secret, r.stderr.String())
		}
	}
}

// Users of LDAP see what their policies allow, as with `minio server --ftp`: access keys first, then LDAP. A suffix chooses.
func TestLoginWithLDAP(t *testing.T) {
	s, directory := minioWithLDAP(t)
	r, address := startLDAP(t, s, "s3,ldap-sts")
	r.stderr.await(t, `"msg":"S3 answers, and verifies users of LDAP"`)
	for _, x := range []struct {
		user, password string
		code           int
	}{
		{"alice", "canary-alice", 230}, {"alice=ldap", "canary-alice", 230}, {"alice=svc", "canary-alice", 530},
		{"alice", "canary-bob", 530}, {"mallory", "canary-alice", 530}, {"carol", "canary-carol", 530},
		{"svc-key", "canary-svc-secret", 230}, {"svc-key=svc", "canary-svc-secret", 230}, {"svc-key", "canary-other", 530},
		{"svc-key=ldap", "canary-other", 230}, {"svc-key=ldap", "canary-svc-secret", 530}, {s.key, s.secret, 230},
	} {
		expect(t, keyLogin(t, address, x.user, x.password, x.code), "QUIT", 221)
	}
	alice := keyLogin(t, address, "alice", "canary-alice", 230)
	expect(t, alice, "MKD bob-files", 550)
	expect(t, alice, "MKD alice-files", 257)
	exchange(t, alice, "STOR alice-files/f", "content")
	if got := exchange(t, alice, "NLST", ""); got != "alice-files\r\n" {
		t.Errorf("alice sees %q", got)
	}
	key := keyLogin(t, address, "svc-key", "canary-svc-secret", 230)
	if got := exchange(t, key, "RETR alice-files/f", ""); got != "content" {
		t.Errorf("alice's key reads %q", got)
	}
	bob := keyLogin(t, address, "bob", "canary-bob", 230)
	expect(t, bob, "EPSV", 229)
	expect(t, bob, "RETR alice-files/f", 550)
	directory.Process.Kill()
	directory.Process.Wait()
	c := dial(t, address)
	expect(t, c, "USER alice", 331)
	if text := expect(t, c, "PASS canary-alice", 530); !strings.Contains(text, "try again later") {
		t.Errorf("LDAP is down: %q", text)
	}
	if got := exchange(t, alice, "RETR alice-files/f", ""); got != "content" {
		t.Errorf("LDAP is down: alice reads %q", got)
	}
	expect(t, keyLogin(t, address, "svc-key", "canary-svc-secret", 230), "QUIT", 221)
	r.end(t)
	hidesSecrets(t, r)
}

// The users file is asked first, about whole names. A user of LDAP with the name of one in the file is another user.
func TestLDAPBesideFile(t *testing.T) {
	s, _ := minioWithLDAP(t)
	t.Setenv("AWS_ACCESS_KEY_ID", s.key)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s.secret)
	file := usersFileOf(t, "", "users:\n  - {name: alice, password: $alice, bucket: bob-files}\n", "alice")
	r, address := startLDAP(t, s, "ldap-sts", "--users", file)
	expect(t, keyLogin(t, address, "bob", "canary-bob", 230), "MKD bob-files", 257)
	keyLogin(t, address, "alice", "canary-alice", 530)
	keyLogin(t, address, "svc-key", "canary-svc-secret", 530)
	exchange(t, keyLogin(t, address, "alice", "pw-alice", 230), "STOR f", "content")
	c := keyLogin(t, address, "alice=ldap", "canary-alice", 230)
	expect(t, c, "MKD alice-files", 257)
	exchange(t, c, "STOR alice-files/g", "content")
	r.stderr.await(t, `"user":"alice=ldap"`)
	if got := exchange(t, keyLogin(t, address, "bob", "canary-bob", 230), "NLST bob-files", ""); !strings.HasSuffix(got, "f\r\n") {
		t.Errorf("bob sees %q", got)
	}
	r.end(t)
	hidesSecrets(t, r)
}

// With --bucket, its directory is the root of users of LDAP, as far as their policies allow.
func TestLDAPWithBucket(t *testing.T) {
	s, _ := minioWithLDAP(t)
	first, address := startLDAP(t, s, "ldap-sts")
	expect(t, keyLogin(t, address, "alice", "canary-alice", 230), "MKD alice-files", 257)
	first.end(t)
	_, address = startLDAP(t, s, "ldap-sts", "--bucket", "alice-files", "--prefix", "in")
	alice := keyLogin(t, address, "alice", "canary-alice", 230)
	exchange(t, alice, "STOR f", "content")
	if got := exchange(t, alice, "NLST", ""); got != "f\r\n" {
		t.Errorf("alice sees %q", got)
	}
	bob := keyLogin(t, address, "bob", "canary-bob", 230)
	expect(t, bob, "EPSV", 229)
	expect(t, bob, "RETR f", 550)
}

// Without an endpoint, users of LDAP would be looked for at AWS, which has none.
func TestLDAPRequiresEndpoint(t *testing.T) {
	awsEnvironment(t)
	code, text, stderr := output(t, "", nil, "check", "--auth=ldap-sts", "--ftp=127.0.0.1:0", "--region=us-east-1")
	if code == 0 || !strings.Contains(text+stderr, "requires --endpoint") {
		t.Errorf("%d, %s%s", code, text, stderr)
	}
}

// An expiringSTS answers for MinIO's STS in front of an S3 service, with keys that expire at once.
type expiringSTS struct {
	s3      http.Handler
	key     string
	secret  string
	mu      sync.Mutex
	refusal string // the message of an error; "" = keys
}

func (e *expiringSTS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/" {
		e.s3.ServeHTTP(w, r)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.refusal != "" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `<ErrorResponse><Error><Code>InvalidParameterValue</Code><Message>%s</Message></Error></ErrorResponse>`, e.refusal)
		return
	}
	now := time.Now().UTC()
	w.Header().Set("Date", now.Format(http.TimeFormat))
	fmt.Fprintf(w, `<AssumeRoleWithLDAPIdentityResponse><AssumeRoleWithLDAPIdentityResult><Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s`+
		`</SecretAccessKey><SessionToken>canary-token</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleWithLDAPIdentityResult>`+
		`</AssumeRoleWithLDAPIdentityResponse>`, e.key, e.secret, now.Truncate(time.Second).Add(time.Nanosecond).Format(time.RFC3339Nano))
}

// refuse sets the message of the following answers.
func (e *expiringSTS) refuse(message string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refusal = message
}

// While keys cannot be renewed, transfers fail with a reply. If MinIO refuses to renew them, the session ends.
func TestLDAPKeysEndInSession(t *testing.T) {
	awsEnvironment(t)
	store := openStore(t, map[string]string{"alice-key": "canary-secret-key"})
	sts := &expiringSTS{s3: store.Handler(), key: "alice-key", secret: "canary-secret-key"}
	server := httptest.NewServer(sts)
	t.Cleanup(server.Close)
	r, address := startLDAP(t, keyService{endpoint: server.URL, region: "us-east-1"}, "ldap-sts")
	c := keyLogin(t, address, "alice", "canary-alice", 230)
	expect(t, c, "MKD files", 257)
	exchange(t, c, "STOR files/f", "content")
	stor := func(code int) {
		t.Helper()
		data := openData(t, c)
		defer data.Close()
		expect(t, c, "STOR files/f", 150)
		io.WriteString(data, "another content")
		data.Close()
		expect(t, c, "", code)
	}
	sts.refuse("LDAP server error: down")
	stor(451)
	sts.refuse("")
	if got := exchange(t, c, "RETR files/f", ""); got != "content" {
		t.Errorf("got %q", got)
	}
	sts.refuse(`LDAP server error: LDAP auth failed for DN uid=alice: LDAP Result Code 49 "Invalid Credentials": `)
	stor(451)
	expect(t, c, "NOOP", 421)
	r.end(t)
	hidesSecrets(t, r)
}
