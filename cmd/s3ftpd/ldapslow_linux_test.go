package main

import (
	"net/textproto"
	"strings"
	"syscall"
	"testing"
)

// While LDAP does not answer in time, its users are told to try again later, and others log in. A late answer logs in no one.
func TestLoginWithSlowLDAP(t *testing.T) {
	s, directory := minioWithLDAP(t)
	r, address := startLDAP(t, s, "s3,ldap-sts")
	r.stderr.await(t, `"msg":"S3 answers, and verifies users of LDAP"`)
	before := keyLogin(t, address, "alice", "canary-alice", 230)
	expect(t, before, "MKD alice-files", 257)
	if err := directory.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	right, wrong := dial(t, address), dial(t, address)
	expect(t, right, "USER alice", 331)
	expect(t, wrong, "USER alice", 331)
	right.PrintfLine("PASS canary-alice")
	wrong.PrintfLine("PASS canary-wrong")
	expect(t, keyLogin(t, address, "svc-key", "canary-svc-secret", 230), "QUIT", 221)
	exchange(t, before, "STOR alice-files/f", "content")
	for name, c := range map[string]*textproto.Conn{"right": right, "wrong": wrong} {
		if _, text, err := c.ReadResponse(530); err != nil || !strings.Contains(text, "try again later") {
			t.Errorf("the %s password: %q, %v", name, text, err)
		}
	}
	if err := directory.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	expect(t, keyLogin(t, address, "alice", "canary-alice", 230), "QUIT", 221) // when this is done, LDAP has answered the requests before
	keyLogin(t, address, "alice", "canary-wrong", 530)
	expect(t, right, "PWD", 530)
	if got := exchange(t, before, "RETR alice-files/f", ""); got != "content" {
		t.Errorf("the session before reads %q", got)
	}
	r.end(t)
	if n := strings.Count(r.stderr.String(), `"event":"login.undecided"`); n != 2 {
		t.Errorf("%d undecided logins in the log:\n%s", n, r.stderr.String())
	}
	hidesSecrets(t, r)
}
