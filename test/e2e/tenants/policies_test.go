package tenants

import (
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// policyUsers is a users file with keys of MinIO. The policy of each key allows one prefix, that of its name. The places of the last
// three users are wider.
const policyUsers = `
defaults: {bucket: files}
users:
  - {name: sales, password: HASH, prefix: sales/, s3: {access-key: sales-key, secret-key: sales-secret}}
  - {name: support, password: HASH, prefix: support/, s3: {access-key: support-key, secret-key: support-secret}}
  - {name: audit, password: HASH, prefix: audit/, s3: {access-key: audit-key, secret-key: audit-secret, role-arn: "ROLE"}}
  - {name: wide, password: HASH, prefix: "", s3: {access-key: sales-key, secret-key: sales-secret}}
  - {name: other, password: HASH, prefix: sales/, s3: {access-key: support-key, secret-key: support-secret}}
  - {name: wide-audit, password: HASH, prefix: "", s3: {access-key: audit-key, secret-key: audit-secret, role-arn: "ROLE"}}
`

// policyOf returns the policy of docs/permissions.md for a prefix of the bucket files.
func policyOf(t *testing.T, prefix string) string {
	t.Helper()
	page, err := os.ReadFile(harness.Root + "/docs/permissions.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "<!-- policy of a user -->\n```json\n")
	policy, _, closed := strings.Cut(rest, "```")
	if !found || !closed || strings.Count(policy, "customers/alice/*") != 2 {
		t.Fatal("docs/permissions.md has no policy of a user")
	}
	return strings.NewReplacer(":::invoices", ":::"+files, "customers/alice/", prefix).Replace(policy)
}

// TestPolicies: users whose keys have a policy each, and one who assumes a role, reach their own prefixes. S3 refuses a place that is
// wider than the policy. The client gets 550, and the log and users check say what to do.
func TestPolicies(t *testing.T) {
	s := newMinIOStore(t)
	real.AwaitKeys(t, s.direct)
	prefixes := []string{"sales", "support", "audit"}
	for _, name := range prefixes {
		real.AddMinIOUser(t, s.direct, name+"-key", name+"-secret", policyOf(t, name+"/"))
		s.putOwn(place{bucket: files, prefix: name + "/"})
	}
	users := strings.ReplaceAll(policyUsers, "ROLE", "arn:aws:iam::123456789012:role/files")
	file := writeUsers(t, users)
	env := append(s.Env(), "AWS_ACCESS_KEY_ID=unknown-key", "AWS_SECRET_ACCESS_KEY=unknown-secret")
	addr := real.FreeAddr(t)
	server := &served{harness.Start(t, addr, env, "serve", "--ftp", addr, "--endpoint", s.Endpoint, "--users", file, "--log-format", "json"), t, s, file}
	for _, user := range prefixes {
		server.usePrefix(t, user)
	}
	v := &verdict{ops: make(map[string]bool)}
	if s.judge(v, nil); !v.ops["POST /"] {
		t.Error("no AssumeRole is among the requests")
	}
	before := s.sums(nil)
	for _, user := range []string{"wide", "other", "wide-audit"} {
		server.refusedByS3(t, user)
	}
	if after := s.sums(nil); len(before) != 9 || !maps.Equal(before, after) {
		t.Errorf("the objects are\n%v\nbefore\n%v", after, before)
	}
	checked := server.command(env, "users check FILE OPTIONS", "ok    user \"sales\": files/sales/: the keys can list, read and write",
		"ok    user \"support\": files/support/: ", "ok    user \"audit\": files/audit/: ", "FAIL  user \"wide\": files/: ",
		"FAIL  user \"other\": files/sales/: ", "FAIL  user \"wide-audit\": files/: ")
	if n := strings.Count(checked, "allow s3:ListBucket, or correct the place of the user in "+file); n != 3 {
		t.Errorf("users check has the advice %d times:\n%s", n, checked)
	}
}

// usePrefix runs each kind of command in a user's own prefix. All must succeed.
func (s *served) usePrefix(t *testing.T, user string) {
	t.Helper()
	c := s.login(t, user)
	large := func() io.Reader { return io.LimitReader(harness.Noise(user), 13*harness.MiB) }
	c.Store("large", large())
	data := c.Open("STOR resumed")
	io.Copy(struct{ io.Writer }{data}, io.LimitReader(large(), 9*harness.MiB))
	c.Cmd(426, "ABOR")
	c.Expect(226)
	offset := c.Size("resumed")
	if offset < 5*harness.MiB {
		t.Errorf("%s: a broken upload has %d bytes", user, offset)
	}
	rest := large()
	io.CopyN(io.Discard, rest, offset)
	data = c.OpenAt(offset, "resumed")
	io.Copy(struct{ io.Writer }{data}, rest)
	data.Close()
	c.Expect(226)
	for _, command := range []string{"NLST", "LIST dir", "MLSD /", "RETR dir/inner.txt"} {
		if code, text := c.Transfer("%s", command); code != 226 {
			t.Errorf("%s: %s: %d %s", user, command, code, text)
		}
	}
	for _, step := range []struct {
		code    int
		command string
	}{{257, "MKD new"}, {250, "CWD new"}, {250, "CDUP"}, {250, "RMD new"}, {350, "RNFR dir"}, {250, "RNTO moved"}, {213, "SIZE moved/inner.txt"},
		{213, "MFMT 20200102030405 large"}, {213, "STAT /moved"}, {250, "DELE own.txt"}} {
		c.Cmd(step.code, "%s", step.command)
	}
	want := harness.SumOf(t, large())
	for _, name := range []string{"large", "resumed"} {
		if got := s.store.files.Sum(user + "/" + name); got != want {
			t.Errorf("%s/%s has the sum %s, want %s", user, name, got, want)
		}
	}
	if keys := s.store.files.Keys(user + "/"); strings.Join(keys, " ") != strings.ReplaceAll("U/large U/moved/inner.txt U/resumed", "U", user) {
		t.Errorf("%s has %q", user, keys)
	}
}

// refusedByS3 runs commands outside of the prefix that the policy of a user allows.
func (s *served) refusedByS3(t *testing.T, user string) {
	t.Helper()
	c := s.login(t, user)
	for command, message := range map[string]string{"NLST": "transfer", "LIST moved": "transfer", "MLSD /": "transfer", "RETR large": "transfer",
		"STOR new.txt": "transfer", "STOR moved/inner.txt": "transfer", "APPE large": "transfer", "STOU": "transfer", "SIZE large": failed,
		"STAT /moved": failed, "MKD new": failed, "RMD moved": failed, "DELE large": failed, "RNFR large": failed,
		"MFMT 20200102030405 large": failed, "CWD moved": failed} {
		mark := s.Log.Mark()
		if code, text := attempt(c, command); code != 550 || text != "Permission denied." {
			t.Errorf("%s: %s: %d %s", user, command, code, text)
			continue
		}
		entry := s.Log.AwaitFrom(t, mark, message, "user="+user, "code=550")
		reason, advice := fmt.Sprint(entry["reason"]), fmt.Sprint(entry["advice"])
		if !strings.HasPrefix(reason, "the keys may not do ") && !strings.HasPrefix(reason, "S3 refuses HeadObject") ||
			!strings.HasPrefix(advice, "allow s3:") || !strings.Contains(advice, ", or correct the place of the user in "+s.file) {
			t.Errorf("%s: %s: the log says %v", user, command, entry)
		}
	}
}

// failed is the message of the log about commands without a data connection.
const failed = "command failed"

// attempt sends a command, with a data connection on which it sends nothing, and returns the final reply.
func attempt(c *harness.Client, command string) (int, string) {
	data := c.Dial()
	defer data.Close()
	code, text := c.Do("%s", command)
	if code == 150 {
		data.CloseWrite()
		io.Copy(io.Discard, data)
		code, text = c.Reply()
	}
	return code, text
}
