package tenants

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
	"github.com/s3ftpd/s3ftpd/test/faults"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// s3User is a user who logs in with S3 keys or with LDAP.
const s3User = "alice"

// withKeys returns a MinIO with the access key of s3User, which has a policy.
func withKeys(t *testing.T, policy string) *store {
	s := newMinIOStore(t)
	real.AwaitKeys(t, s.direct)
	real.AddMinIOUser(t, s.direct, s3User, password, policy)
	s.source = fromS3("s3", "S3 answers, and verifies keys")
	s.rule = func(q request, _ []place) string {
		if q.signer != s3User {
			return fmt.Sprintf("%s is signed with %q", q.line, q.signer)
		}
		return ""
	}
	return s
}

// withLDAP returns a MinIO that finds s3User, who has a policy, in LDAP.
func withLDAP(t *testing.T, policy string) *store {
	directory := real.Slapd(t, map[string]string{s3User: password})
	minio := real.MinIOWithLDAP(t, directory)
	minio.AddPolicy(t, "policy", policy)
	minio.AttachPolicy(t, "policy", directory.DN(s3User))
	real.AwaitKeys(t, minio)
	s := recorded(t, minio, faults.To(t, minio.Endpoint))
	s.exclusive = true
	s.source = fromS3("ldap-sts", "S3 answers, and verifies users of LDAP")
	s.rule = func(q request, _ []place) string {
		if q.op != loginOfLDAP && (!q.token || q.signer == minio.AccessKey) {
			return fmt.Sprintf("%s is signed with %q", q.line, q.signer)
		}
		return ""
	}
	return s
}

// loginOfLDAP is the operation by which a user of LDAP logs in. It is not signed.
const loginOfLDAP = "POST /"

// fromS3 is a source of --auth. The server has the keys of an administrator.
func fromS3(auth, ready string) source {
	return func(t *testing.T, s *store, place string) *harness.Server {
		addr := real.FreeAddr(t)
		args := []string{"serve", "--ftp", addr, "--endpoint", s.Endpoint, "--auth", auth, "--log-format", "json", "--commit-grace", "1ms"}
		if place != "" {
			args = append(args, "--bucket", files, "--prefix", place)
		}
		server := harness.Start(t, addr, s.Env(), args...)
		server.Log.Await(t, ready)
		return server
	}
}

// inPlaces adds to the rule of a store that requests must stay in the user's places.
func (s *store) inPlaces() {
	signed := s.rule
	s.rule = func(q request, places []place) string {
		if q.op == loginOfLDAP && q.signer == "" {
			return ""
		}
		return cmp.Or(signed(q, places), judge(q, places))
	}
}

// TestIsolationOfS3Users is TestIsolation with fewer paths, of each kind, for users who log in with S3 keys or with LDAP. With --bucket,
// no request leaves the place, whatever the keys may do. Without it, each request is signed with the user's keys, and S3 refuses what
// their policy does not allow.
func TestIsolationOfS3Users(t *testing.T) {
	t.Parallel()
	type cell struct {
		store func(*testing.T, string) *store
		place string // with --bucket; "" = the policy is the place
	}
	cells := map[string]cell{
		"keys in a bucket": {withKeys, "a/"}, "keys with a policy": {withKeys, ""},
		"LDAP in a bucket": {withLDAP, "a/"}, "LDAP with a policy": {withLDAP, ""},
	}
	harness.SomeAtOnce(t, 2, cells, func(t *testing.T, _ string, c cell) {
		u := tenant{s3User, placeA, []string{"/", "/dir"}, []string{"ab"}, nil, payloads, 11}
		policy := real.BucketPolicy(files)
		if c.place == "" {
			policy = policyOf(t, "a/")
			u.starts = []string{"/files/a", "/files", "/"}
			u.more = []string{"/files/ab/secret.txt", "/files/secret.txt", "/files/asecret.txt", "/reports/secret.txt", "/reports", "/files/ab"}
		}
		s := c.store(t, policy)
		if c.place != "" {
			s.inPlaces()
		}
		attack(t, s, c.place, u).check(t, 1000)
	})
}

// TestSecretsOfS3Users: no secret key, password, or session token of users who log in with S3 keys or with LDAP is in the log at level
// debug, in an event, or in a reply.
func TestSecretsOfS3Users(t *testing.T) {
	const secretKey, ldapPassword = canary + "-secret-key", canary + "-password"
	directory := real.Slapd(t, map[string]string{s3User: ldapPassword})
	minio := real.MinIOWithLDAP(t, directory)
	minio.AddPolicy(t, "policy", real.BucketPolicy(files))
	minio.AttachPolicy(t, "policy", directory.DN(s3User))
	minio.AddServiceAccount(t, s3User, "alice-key", secretKey)
	real.AwaitKeys(t, minio)
	harness.NewBucket(t, minio)
	events, addr := new(receiver), real.FreeAddr(t)
	server := harness.Start(t, addr, minio.Env(), append([]string{"serve", "--ftp", addr, "--endpoint", minio.Endpoint, "--auth", "s3,ldap-sts",
		"--log-format", "json", "--log-level", "debug"}, events.eventOptions(t)...)...)
	var replies []string
	for _, x := range []struct {
		user, password string
		code           int
	}{
		{s3User, ldapPassword, 230}, {"alice=ldap", ldapPassword, 230}, {"alice-key", secretKey, 230}, {s3User, canary + "-wrong", 530},
		{"alice-key", canary + "-wrong", 530}, {"nobody", canary + "-wrong", 530}, {"alice=svc", ldapPassword, 530},
	} {
		a := &attacker{t: t, server: server, user: x.user, start: "/files"}
		a.dial()
		a.do("USER " + x.user)
		if code, text := a.do("PASS " + x.password); code != x.code {
			t.Errorf("PASS of %s: %d %s", x.user, code, text)
		} else if code == 230 {
			a.do("CWD files")
			a.send("STOR f")
			a.receive("LIST")
			a.receive("RETR missing")
			a.do("RMD /reports")
		}
		a.conn.Close()
		replies = append(replies, a.seen.String())
	}
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
	lines := server.Log.Since(0)
	for _, line := range slices.Concat(lines, events.received(t, 7), replies) {
		if strings.Contains(line, canary) || strings.Contains(line, "eyJ") { // the beginning of MinIO's session tokens
			t.Errorf("a secret is in %s", line)
		}
	}
	if n := strings.Count(strings.Join(lines, "\n"), `"event":"login.ok"`); n != 3 {
		t.Errorf("%d logins are in the log", n)
	}
}
