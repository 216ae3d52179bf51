package tenants

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// usersFile is the file of the tenants. Each test logs in one of them.
const usersFile = `
defaults:
  bucket: files
users:
  - {name: a, password: HASH, prefix: a/}
  - {name: ab, password: HASH, prefix: ab/}
  - {name: wide, password: HASH, prefix: ""}
  - {name: backslash, password: HASH, prefix: a/, compat: {backslash: true}}
  - {name: latin1, password: HASH, prefix: a/, compat: {names: latin1, lenient-dirs: true}}
  - {name: shift-jis, password: HASH, prefix: a/, compat: {names: shift-jis, backslash: true}}
  - {name: gbk, password: HASH, prefix: a/, compat: {names: gbk, backslash: true}}
  - name: mounts
    password: HASH
    mounts:
      /in: {prefix: m/in/}
      /in/nested: {prefix: n/deep/}
      /ro: {prefix: r/only/, permissions: ro}
      /far: {bucket: reports, prefix: m/}
  - name: root
    password: HASH
    mounts:
      /: {prefix: m/in/}
      /above/ro: {prefix: r/only/, permissions: ro}
`

// A tenant is a user of usersFile.
type tenant struct {
	user   string
	places []place
	starts []string // directories in which commands run
	others []string // prefixes that paths try to reach, without a slash
	more   []string // further paths
	kind   func(other string) []string
	every  int // only one of so many paths; 0 = all
}

var (
	placeA      = []place{{bucket: files, prefix: "a/"}}
	placesMount = []place{{bucket: files, prefix: "m/in/"}, {bucket: files, prefix: "n/deep/"},
		{bucket: files, prefix: "r/only/", readOnly: true}, {bucket: reports, prefix: "m/"}}
	mountPaths = []string{"/in", "/in/", "/in/..", "/in/../", "/in/../..", "/in/.", "in/nested", "/in/nested", "/in/nested/", "/in/nested/..",
		"/in/nested/../own.txt", "/in/nested/../../ro/own.txt", "/in/nestedx", "/inx/secret.txt", "/ro", "/ro/", "/ro/..", "/ro/own.txt", "/ro/dir",
		"/ro/new.txt", "/ro/../in/own.txt", "/far", "/far/own.txt", "/far/dir", "/far/../in/../far/own.txt", "/above", "/above/", "/above/ro",
		"/above/ro/own.txt", "/above/../above/ro/..", "/above/x", "/*/own.txt", "/in/*", "/*/*", "/in/nested/*"}
)

var tenants = map[string]tenant{
	"prefix of another's prefix": {"a", placeA, []string{"/", "/dir"}, []string{"ab"}, nil, payloads, 0},
	"another's prefix begins":    {"ab", []place{{bucket: files, prefix: "ab/"}}, []string{"/"}, []string{"a"}, nil, pathsOnly, 0},
	"backslash":                  {"backslash", placeA, []string{"/"}, []string{"ab"}, nil, foreign, 0},
	"latin1":                     {"latin1", placeA, []string{"/"}, []string{"ab"}, nil, foreign, 0},
	"Shift JIS":                  {"shift-jis", placeA, []string{"/"}, []string{"ab"}, nil, foreign, 0},
	"GBK":                        {"gbk", placeA, []string{"/"}, []string{"ab"}, nil, foreign, 0},
	"mounts":                     {"mounts", placesMount, []string{"/in", "/", "/in/nested", "/ro", "/far"}, []string{"m/inx"}, mountPaths, payloads, 0},
	"root mount": {"root", []place{{bucket: files, prefix: "m/in/"}, {bucket: files, prefix: "r/only/", readOnly: true}},
		[]string{"/", "/above", "/above/ro"}, []string{"m"}, mountPaths, pathsOnly, 0},
}

// TestIsolation: whatever a user sends, no request to S3 names a key outside of the user's places, other users' files stay as they
// are, and the user sees nothing of them.
func TestIsolation(t *testing.T) {
	t.Parallel() // with tests that mostly wait: for the clock, and for disks
	harness.SomeAtOnce(t, 2, tenants, func(t *testing.T, _ string, u tenant) {
		attack(t, newStore(t), usersFile, u).check(t, 5000)
	})
}

// TestIsolationOnMinIO is TestIsolation with fewer paths, of each kind, on another S3 service.
func TestIsolationOnMinIO(t *testing.T) {
	t.Parallel()
	few := make(map[string]tenant)
	for _, name := range []string{"prefix of another's prefix", "Shift JIS", "mounts"} {
		u := tenants[name]
		u.every = 11
		few[name] = u
	}
	harness.SomeAtOnce(t, len(few), few, func(t *testing.T, _ string, u tenant) {
		attack(t, newMinIOStore(t), usersFile, u).check(t, 1000)
	})
}

// TestIsolationIsJudged: the judge of TestIsolation finds that a place in the users file is wider than it expects.
func TestIsolationIsJudged(t *testing.T) {
	findings := attack(t, newStore(t), usersFile, tenant{"wide", placeA, []string{"/"}, []string{"ab"}, nil, dots, 0}).findings
	for _, want := range []string{"GET /files/ab/secret.txt", "HEAD /files/ab/secret.txt", "PUT /files/ab/secret.txt", "DELETE /files/ab/secret.txt",
		"list-type=2&max-keys=1&prefix=ab%2F:", "from files/ab/secret.txt", "a reply or a listing has", "is not as it was"} {
		if !slices.ContainsFunc(findings, func(f string) bool { return strings.Contains(f, want) }) {
			t.Errorf("no finding with %q in\n%s", want, strings.Join(findings, "\n"))
		}
	}
}

// A verdict is the result of an attack.
type verdict struct {
	findings           []string        // what is wrong
	commands, requests int             // of FTP, and to S3
	ops                map[string]bool // the operations of S3 among the requests
}

// check fails the test if something is wrong, or if the attack had fewer commands or requests than it must have.
func (v *verdict) check(t *testing.T, commands int) {
	t.Helper()
	for _, f := range v.findings {
		t.Error(f)
	}
	t.Logf("%d commands, %d requests", v.commands, v.requests)
	if v.commands < commands && !testing.Short() || v.requests < v.commands/5 {
		t.Errorf("only %d commands and %d requests", v.commands, v.requests)
	}
	for _, op := range []string{"HeadObject", "GetObject", "PutObject", "CopyObject", "DeleteObject", "DeleteObjects", "ListObjectsV2", "CreateMultipartUpload",
		"UploadPart", "UploadPartCopy", "ListMultipartUploads", "ListParts", "CompleteMultipartUpload", "AbortMultipartUpload"} {
		if !v.ops[op] {
			t.Errorf("no %s is among the requests", op)
		}
	}
}

// A source starts s3ftpd for a store, with the users of a users file.
type source func(t *testing.T, s *store, users string) *harness.Server

// fromFile is the source that reads the file.
func fromFile(t *testing.T, s *store, users string) *harness.Server {
	server := s.serve(t, users)
	for _, bucket := range []string{files, reports} {
		if strings.Contains(users, "bucket: "+bucket) {
			server.Log.Await(t, "the bucket answers", "bucket="+bucket)
		}
	}
	return server
}

// attack runs all plays with all paths as a user of a users file.
func attack(t *testing.T, s *store, users string, u tenant) *verdict {
	s.fill(u)
	before := s.sums(u.places)
	from := s.source
	if from == nil {
		from = fromFile
	}
	server := from(t, s, users)
	s.forget()
	a := &attacker{t: t, server: server, user: u.user, start: "/"}
	a.connect()
	a.transfer(u.starts[0])
	for _, start := range u.starts {
		a.empty(start)
		a.run(s, u, start)
	}
	a.conn.Close()
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
	v := &verdict{commands: a.sent, ops: make(map[string]bool)}
	s.judge(v, u.places)
	for _, marker := range []string{markerName, secretSize} {
		if _, after, found := strings.Cut(a.seen.String(), marker); found {
			v.findings = append(v.findings, fmt.Sprintf("a reply or a listing has %q, before %.200q", marker, after))
		}
	}
	if after := s.sums(u.places); !maps.Equal(before, after) {
		v.findings = append(v.findings, fmt.Sprintf("what lies outside is not as it was:\n%v\n%v", before, after))
	}
	if log := strings.Join(server.Log.Since(0), "\n"); strings.Contains(log, "panic: ") {
		v.findings = append(v.findings, "a session has panicked")
	}
	return v
}

// fill stores the tenant's own files, and files of others around its places.
func (s *store) fill(u tenant) {
	prefixes := []string{"", "a", "ab/", "abc/", "m", "m/", "m/inx/", "n/", "n/deepx/", "r/", "r/onlyx/"}
	if !s.exclusive {
		prefixes = append(prefixes, "secret.txt/")
	}
	for _, prefix := range prefixes {
		s.putSecrets(files, prefix)
		s.putSecrets(reports, prefix)
	}
	if u.user != "a" && u.places[0].prefix != "a/" {
		s.putSecrets(files, "a/")
	}
	for _, p := range u.places {
		s.bucket(p.bucket).Empty(p.prefix)
		s.putOwn(p)
	}
}

// empty removes all files of a directory, and makes and removes new ones.
func (a *attacker) empty(dir string) {
	a.do("CWD " + dir)
	for _, command := range []string{"DELE own.txt", "DELE dir/inner.txt", "RMD dir", "MLST", "STAT .", "RMD .", "RMD " + dir,
		"CWD .", "AVBL", "MKD dir", "RMD dir"} {
		a.do(command)
	}
	a.receive("LIST")
	a.send("STOR dir/new/file")
	a.do("DELE dir/new/file")
	a.receive("MLSD dir")
	a.receive("NLST ..")
}

// run runs all plays with all paths in a directory.
func (a *attacker) run(s *store, u tenant, start string) {
	a.start = start
	paths := slices.Clone(u.more)
	for _, other := range u.others {
		paths = append(paths, u.kind(other)...)
	}
	step := max(u.every, 1)
	if start != u.starts[0] {
		step *= 8
	}
	if testing.Short() {
		step *= 7
	}
	for i := 0; i < len(paths); i += step {
		for _, p := range u.places {
			s.putOwn(p)
		}
		a.do("CWD " + start)
		for _, p := range plays {
			p.run(a, paths[i])
		}
	}
}

// serve starts s3ftpd with a users file, in which HASH stands for the hash of the password.
func (s *store) serve(t *testing.T, users string, args ...string) *harness.Server {
	t.Helper()
	addr := real.FreeAddr(t)
	args = append([]string{"serve", "--ftp", addr, "--endpoint", s.Endpoint, "--users", writeUsers(t, users),
		"--log-format", "json", "--commit-grace", "1ms"}, args...)
	return harness.Start(t, addr, s.Env(), args...)
}

// writeUsers writes a users file.
func writeUsers(t *testing.T, users string) (name string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "users.yaml")
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err == nil {
		err = os.WriteFile(name, []byte(strings.ReplaceAll(users, "HASH", `"`+string(hash)+`"`)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// TestPlays: the plays have each command that HELP lists, but those that take no path, and each user meets at least 60 paths.
func TestPlays(t *testing.T) {
	server := newStore(t).serve(t, usersFile)
	a := &attacker{t: t, server: server, user: "a", start: "/"}
	a.connect()
	_, text := a.do("HELP")
	_, list, _ := strings.Cut(text, "Commands:\n")
	list, _, _ = strings.Cut(list, "Use HELP")
	played := slices.Clone(withoutPath)
	for _, p := range plays {
		played = append(played, p.verb)
	}
	slices.Sort(played)
	if verbs := strings.Fields(list); !slices.Equal(verbs, played) {
		t.Errorf("HELP lists\n%q, the test has\n%q", verbs, played)
	}
	if n := len(payloads("ab")); n < 60 {
		t.Errorf("%d paths", n)
	}
	if got := fmt.Sprint(len(secretContent())); got != secretSize {
		t.Errorf("the secret has %s bytes", got)
	}
}
