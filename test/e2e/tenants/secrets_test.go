package tenants

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// canary is a part of each secret. It is in no output.
const canary = "CANARY"

// Hashes that are no one's password.
var (
	shaCanary    = "$6$" + canary + "salt$" + canary + strings.Repeat("x", 80)
	bcryptCanary = "$2y$04$" + canary + strings.Repeat("u", 47)
	argonCanary  = "$argon2id$v=19$m=8,t=1,p=1$" + canary + "salt00$" + canary + strings.Repeat("A", 16)
)

// secretUsers returns a users file full of secrets, and the password of the user "plain".
func secretUsers(t *testing.T, s *store) (text, plainPassword string) {
	dir := t.TempDir()
	plainPassword = canary + "-plain"
	for name, content := range map[string]string{"plain": plainPassword, "hash": shaCanary, "key": canary + "-secret-key-of-file"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf(`
defaults: {bucket: files, prefix: "x/{user}/"}
users:
  - {name: works, password: HASH}
  - {name: sha, password: %q}
  - {name: bcrypt, password: %q}
  - {name: argon, password: %q, bucket: missing}
  - {name: plain, password-file: %q}
  - {name: hash-file, password-file: %q}
  - {name: key, password: HASH, s3: {access-key: %s, secret-key: %s-secret-key}}
  - {name: key-file, password: HASH, s3: {access-key: %s, secret-key-file: %q}}
  - {name: role, password: HASH, s3: {role-arn: "arn:aws:iam::123456789012:role/x", external-id: %s-external, region: us-east-1}}
`, shaCanary, bcryptCanary, argonCanary, filepath.Join(dir, "plain"), filepath.Join(dir, "hash"), s.AccessKey, canary, s.AccessKey, filepath.Join(dir, "key"), canary), plainPassword
}

// brokenSecrets are users files with a secret at each mistake.
var brokenSecrets = []string{
	"users: [{name: x, password: CANARYplain}]",
	"users: [{name: x, password: \"CANARY plain\"}]",
	"users: [{name: x, password: $9$CANARY}]",
	"users: [{name: x, password: $6$CANARY$CANARY}]",
	"users: [{name: x, password: [CANARY]}]",
	"users: [{name: x, password: {CANARY: CANARY}}]",
	"users: [{name: x, password: !CANARY x}]",
	"users: [{name: x, password: &CANARY x}]",
	"users: [{name: x, password: *CANARY}]",
	"users: [{name: x, password: $argon2id$v=19$m=8,t=1,p=1$CANARY,CANARY}]",
	"users: [{name: x, passwort: CANARY}]",
	"users: [{name: x, password: \"CANARY}]",
	"users:\n  - name: x\n    password: CANARY: CANARY\n",
	"users:\n  - name: x\n    password: |\n      CANARY\n      CANARY\n",
	"users:\n  - name: x\n    password: 'CANARY\n  - CANARY\n",
	"users:\n  - name: x\n\tpassword: CANARY\n",
	"users:\n  - name: x\n    password: CANARY\n    password: CANARY\n",
	"users:\n  - name: x\n    password: CANARY\n   disabled: CANARY\n",
	"users: [{name: x, none: 1, password-file: CANARY}]",
	"users: [{name: x, none: 1, password-file: \"CANARY\\t\"}]",
	"users: [{name: x, none: 1, password-file: $6$CANARY/CANARY}]",
	"users: [{name: x, none: 1, disabled: true, s3: {access-key: abc, secret-key-file: CANARY/CANARY}}]",
	"users: [{name: x, disabled: true, s3: CANARY}]",
	"users: [{name: x, disabled: true, s3: [CANARY]}]",
	"users: [{name: x, disabled: true, s3: {access-key: ab, secret-key: CANARY}}]",
	"users: [{name: x, disabled: true, s3: {access-key: abc, secret-key: CANARY CANARY}}]",
	"users: [{name: x, disabled: true, s3: {access-key: abc, secret-kez: CANARY}}]",
	"users: [{name: x, disabled: true, s3: {secret-key: CANARYCANARY}}]",
	"users: [{name: x, disabled: true, s3: {access-key: CANARY CANARY, secret-key: CANARYCANARY}}]",
	"users: [{name: x, disabled: true, s3: {secret-key: CANARYCANARY, secret-key-file: /nowhere}}]",
	"users: [{name: x, disabled: true, s3: {external-id: \"CANARY CANARY\", role-arn: \"arn:aws:iam::123456789012:role/x\"}}]",
	"users: [{name: x, disabled: true, s3: {external-id: CANARY}}]",
	"users: [{name: x, disabled: true, s3: {external-id: [CANARY], role-arn: x}}]",
	"users: [{name: x, disabled: true, s3: {endpoint: \"http://key:CANARY@s3\"}}]",
	"users: [{name: x, disabled: true, bucket: \"http://key:CANARY@s3/x\"}]",
	"defaults: {password: CANARY}\nusers: [{name: x, disabled: true}]",
	"defaults: {s3: {secret-key: CANARYCANARY}}\nusers: [{name: x, disabled: true}]",
	"users: [{name: x, disabled: true, \"$6$CANARY\": x}]",
	"users: {x: {password: CANARY}}",
	"users: CANARY\nusers: CANARY",
	"password: CANARY\nusers: [{name: x, disabled: true}]",
	"- {password: CANARY}",
	"CANARY",
	"? CANARY\n: CANARY\nusers: []",
	"--- CANARY\n--- CANARY\n...\nCANARY",
	"{users: [{password: CANARY",
}

// A receiver keeps the events that it receives.
type receiver struct {
	mu     sync.Mutex
	events []string
}

func (rec *receiver) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.events = append(rec.events, string(body))
}

// received returns the events, of which there must be at least so many.
func (rec *receiver) received(t *testing.T, least int) []string {
	t.Helper()
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if len(rec.events) < least {
		t.Errorf("%d events: %q", len(rec.events), rec.events)
	}
	return rec.events
}

// eventOptions starts the receiver, and returns the options to send events to it, signed with a secret that has the canary.
func (rec *receiver) eventOptions(t *testing.T) []string {
	t.Helper()
	server := httptest.NewServer(rec)
	t.Cleanup(server.Close)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(canary+"-event-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"--event-url", server.URL, "--event-url-secret-file", secret}
}

// TestSecrets: no secret of a users file, and not that of events, is in the log at level debug, in events, in the command line of the
// process, in messages about invalid files, or in the output of other commands.
func TestSecrets(t *testing.T) {
	s := newStore(t)
	users, plainPassword := secretUsers(t, s)
	addr, file := real.FreeAddr(t), writeUsers(t, users)
	env := append(s.Env(), "AWS_ENDPOINT_URL_STS="+s.Endpoint)
	events := new(receiver)
	running := &served{harness.Start(t, addr, env, slices.Concat([]string{"serve", "--log-format", "json", "--log-level", "debug", "--ftp", addr,
		"--endpoint", s.Endpoint, "--users", file}, events.eventOptions(t))...), t, s, file}
	seen := running.useSecrets(plainPassword)
	output := running.reports(env)
	for _, broken := range brokenSecrets {
		running.reload(broken, invalid)
		output = append(output, running.messages(env)...)
	}
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", running.Cmd.Process.Pid))
	if err == nil && !strings.Contains(string(cmdline), file) {
		t.Errorf("the command line is %q", cmdline)
	}
	if err := running.Stop(); err != nil {
		t.Error(err)
	}
	lines := running.Log.Since(0)
	for _, line := range slices.Concat(lines, events.received(t, 10), strings.Split(strings.Join(output, "\n"), "\n"), []string{string(cmdline), seen}) {
		if strings.Contains(line, canary) {
			t.Errorf("a secret is in %s", line)
		}
	}
	if len(lines) < 100 || !running.Log.Has("users") {
		t.Errorf("the log has only %d lines", len(lines))
	}
}

// command runs s3ftpd with the users file and returns its output, which must have these texts.
func (s *served) command(env []string, command string, texts ...string) string {
	s.t.Helper()
	args := strings.Fields(strings.NewReplacer("FILE", s.file, "OPTIONS", "--ftp 127.0.0.1:0 --endpoint "+s.store.Endpoint).Replace(command))
	out, _ := harness.Try(s.t, s.t.TempDir(), "", slices.Concat([]string{"env"}, env, []string{harness.Program()}, args)...)
	for _, text := range texts {
		if !strings.Contains(out, text) {
			s.t.Errorf("s3ftpd %s does not say %q:\n%s", command, text, out)
		}
	}
	return out
}

// reports returns the output of all commands that read the users file; some ask S3 with the credentials in it.
func (s *served) reports(env []string) []string {
	places := []string{"files/x/works/: the keys can list", "files/x/hash-file/", "missing/x/argon/: the bucket does not answer", "files/x/key/: the bucket does not answer",
		"files/x/key-file/: the bucket does not answer", "files/x/role/"}
	return []string{
		s.command(env, "users list FILE", "works", "hash-file"),
		s.command(env, "users check FILE OPTIONS", places...),
		s.command(env, "users check FILE OPTIONS --json", places...),
		s.command(env, "check --users FILE OPTIONS", places...),
	}
}

// messages returns what these commands say about an invalid users file.
func (s *served) messages(env []string) (texts []string) {
	for _, command := range []string{"users list FILE", "users check FILE OPTIONS", "check --users FILE OPTIONS", "serve --users FILE OPTIONS"} {
		texts = append(texts, s.command(env, command, s.file+":"))
	}
	return texts
}

// useSecrets logs in as each user of secretUsers, and returns the replies and the listings of one session.
func (s *served) useSecrets(plainPassword string) string {
	for _, user := range []string{"works", "key", "key-file", "role"} {
		c := s.login(s.t, user)
		c.Transfer("NLST")
		c.Do("STAT /x")
		c.Do("MKD %s", "made")
		c.Cmd(221, "QUIT")
	}
	for _, user := range []string{"sha", "bcrypt", "argon", "plain", "hash-file", "nobody"} {
		s.refused(user, canary+"-wrong")
	}
	a := &attacker{t: s.t, server: s.Server, user: "works", start: "/"}
	a.connect()
	a.do("USER plain")
	if code, text := a.do("PASS " + plainPassword); code != 230 {
		s.t.Errorf("PASS: %d %s", code, text)
	}
	a.do("ACCT " + canary)
	a.receive("LIST")
	return a.seen.String()
}

// refused logs in with a wrong password.
func (s *served) refused(user, password string) {
	s.t.Helper()
	a := &attacker{t: s.t, server: s.Server, user: "works", start: "/"}
	a.connect()
	a.do("USER " + user)
	if code, text := a.do("PASS " + password); code != 530 {
		s.t.Errorf("PASS of %s: %d %s", user, code, text)
	}
	a.conn.Close()
}
