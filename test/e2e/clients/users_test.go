package clients

import (
	"cmp"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
	"github.com/s3ftpd/s3ftpd/test/e2e/scenario"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// userKinds is a users file with a user of each kind for a client, whose name replaces C.
const userKinds = `
  - {name: C-rw, password: HASH}
  - {name: C-ro, password: HASH, permissions: ro}
  - {name: C-wo, password: HASH, permissions: wo}
  - {name: C-dropbox, password: HASH, permissions: dropbox}
  - {name: C-list, password: HASH, permissions: [list]}
  - {name: C-read, password: HASH, permissions: [read]}
  - {name: C-write, password: HASH, permissions: [write]}
  - {name: C-overwrite, password: HASH, permissions: [overwrite]}
  - {name: C-delete, password: HASH, permissions: [delete]}
  - {name: C-rename, password: HASH, permissions: [rename]}
  - {name: C-mkdir, password: HASH, permissions: [mkdir]}
  - {name: C-home, password: HASH, home: /dir}
  - {name: C-mounts, password: HASH, home: /in, mounts: {/in: {prefix: C-mounts/i/, permissions: dropbox}, /out: {prefix: C-mounts/o/, permissions: ro}}}
  - {name: C-certificate, certificate: device 7}
  - {name: C-both, password: HASH, certificate: device 7, second-factor: [password, certificate]}
  - {name: C-disabled, password: HASH, disabled: true}
  - {name: C-expired, password: HASH, expires: 2020-01-31}
`

// An act is a step of a client's script by a user.
type act struct {
	user    string // without the client's name
	step    string
	paths   string // on the server, two for rename; relative to the home of the user, unless they begin with a slash
	refused reply  // 0 = it succeeds
	as      login
}

// A reply is a kind of refusal, which clients show in their own words.
type reply int

const (
	noLogin reply = iota + 1
	noUpload
	noDownload
	noFile // a download by users who may not know whether the file exists
	noCommand
	exists
)

// A login is a way to log in.
type login string

const (
	byPassword       login = ""
	overTLS          login = "TLS, password"
	withCertificate  login = "TLS, password, certificate"
	wrongCertificate login = "TLS, password, another certificate"
	wrongPassword    login = "TLS, wrong password, certificate"
)

// acts are what each kind of user may do, and may not. Each place has the files own and dir/inner.
var acts = []act{
	{"rw", "put", "new", 0, ""}, {"rw", "put", "new", 0, ""}, {"rw", "get", "new", 0, ""}, {"rw", "list", "dir", 0, ""},
	{"rw", "rename", "new renamed", 0, ""}, {"rw", "mkdir", "made", 0, ""}, {"rw", "delete", "own", 0, ""},
	{"ro", "get", "own", 0, ""}, {"ro", "list", "dir", 0, ""}, {"ro", "put", "new", noUpload, ""}, {"ro", "put", "own", noUpload, ""},
	{"ro", "rename", "own renamed", noCommand, ""}, {"ro", "mkdir", "made", noCommand, ""}, {"ro", "delete", "own", noCommand, ""},
	{"wo", "put", "new", 0, ""}, {"wo", "put", "new", 0, ""}, {"wo", "get", "own", noFile, ""}, {"wo", "delete", "own", noCommand, ""},
	{"dropbox", "put", "new", 0, ""}, {"dropbox", "put", "own", exists, ""}, {"dropbox", "get", "own", noFile, ""},
	{"list", "list", "dir", 0, ""}, {"list", "get", "own", noDownload, ""}, {"read", "get", "own", 0, ""}, {"read", "put", "own", noUpload, ""},
	{"write", "put", "new", 0, ""}, {"write", "put", "own", exists, ""}, {"write", "mkdir", "made", noCommand, ""},
	{"overwrite", "put", "own", 0, ""}, {"overwrite", "put", "new", noUpload, ""}, {"delete", "delete", "own", 0, ""},
	{"delete", "put", "new", noUpload, ""}, {"rename", "rename", "own renamed", 0, ""}, {"rename", "delete", "renamed", noCommand, ""},
	{"mkdir", "mkdir", "made", 0, ""}, {"mkdir", "put", "made/new", noUpload, ""},
	{"home", "put", "new", 0, ""}, {"home", "get", "/own", 0, ""},
	{"mounts", "put", "new", 0, ""}, {"mounts", "get", "/out/own", 0, ""}, {"mounts", "put", "/out/new", noUpload, ""},
	{"mounts", "put", "/new", noUpload, ""}, {"mounts", "get", "/in/own", noFile, ""},
	{"certificate", "put", "new", 0, withCertificate}, {"certificate", "put", "other", noLogin, overTLS},
	{"certificate", "put", "other", noLogin, wrongCertificate},
	{"both", "put", "new", 0, withCertificate}, {"both", "put", "other", noLogin, overTLS}, {"both", "put", "other", noLogin, wrongPassword},
	{"disabled", "get", "own", noLogin, ""}, {"expired", "get", "own", noLogin, ""},
	{"anonymous", "get", "own", 0, ""}, {"anonymous", "put", "new", noUpload, ""},
}

// windowActs are those of FileZilla, which takes seconds to start, has no client certificates, and takes absolute paths.
var windowActs = []act{
	{"rw", "put", "/new", 0, overTLS}, {"ro", "put", "/new", noUpload, ""}, {"dropbox", "put", "/new", 0, ""},
	{"dropbox", "put", "/own", exists, ""}, {"mounts", "put", "/in/new", 0, ""},
	{"mounts", "get", "/out/own", 0, ""}, {"list", "get", "/own", noDownload, ""}, {"disabled", "get", "/own", noLogin, ""},
	{"anonymous", "get", "/own", 0, ""},
}

// A userClient is a client of TestUsers.
type userClient struct {
	acts   []act
	shows  map[reply]string
	stored map[string]content // after the acts, by key without C-
}

// A content is what an object has after the acts.
type content int

const (
	absent content = iota
	own
	sent
	marker // of a directory
)

var storedByActs = map[string]content{"rw/renamed": sent, "rw/made/": marker, "rw/own": absent, "wo/new": sent, "dropbox/new": sent, "write/new": sent,
	"overwrite/own": sent, "delete/own": absent, "rename/renamed": own, "rename/own": absent, "mkdir/made/": marker, "home/dir/new": sent,
	"mounts/i/new": sent, "certificate/new": sent, "both/new": sent}

// userClients are the clients of TestUsers, by script.
var userClients = map[string]userClient{
	"curl": {acts, map[reply]string{noLogin: "Access denied: 530", noUpload: "Failed FTP upload: 550", exists: "Failed FTP upload: 550",
		noDownload: "RETR response: 550", noFile: "The file does not exist", noCommand: "QUOT command failed with 550"}, storedByActs},
	"lftp": {acts, map[reply]string{noLogin: "Login failed: 530 Login incorrect.", noUpload: "Access failed: 550 Permission denied.",
		exists: "Access failed: 550 File already exists.", noDownload: "Access failed: 550 Permission denied.",
		noFile: "Access failed: 550 Permission denied.", noCommand: "Access failed: 550 Permission denied."}, storedByActs},
	"ftplib": {acts, map[reply]string{noLogin: "error_perm: 530 Login incorrect.", noUpload: "error_perm: 550 Permission denied.",
		exists: "error_perm: 550 File already exists.", noDownload: "error_perm: 550 Permission denied.",
		noFile: "error_perm: 550 Permission denied.", noCommand: "error_perm: 550 Permission denied."}, storedByActs},
	"filezilla": {windowActs, map[reply]string{noLogin: "530 Login incorrect.", noUpload: "550 Permission denied.", exists: "550 File already exists.",
		noDownload: "550 Permission denied."}, map[string]content{"rw/new": sent, "dropbox/new": sent, "mounts/i/new": sent}},
}

// userServer starts s3ftpd with the users of all clients, and returns the environment of a client for each way to log in.
func userServer(t *testing.T, server *real.S3) (*harness.Server, map[login][]string) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(harness.Password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	users := "defaults: {bucket: files, prefix: '{user}/'}\nusers:\n  - {name: anonymous, password: any}"
	for name := range userClients {
		users += strings.NewReplacer("C-", name+"-", "HASH", "'"+string(hash)+"'").Replace(userKinds)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "users.yaml")
	if err := os.WriteFile(file, []byte(users), 0o600); err != nil {
		t.Fatal(err)
	}
	issue(t, dir, "server", nil)
	authority := issue(t, dir, "authority", nil)
	issue(t, dir, "device 7", &authority)
	issue(t, dir, "device 8", &authority)
	addr, in := real.FreeAddr(t), func(name string) string { return filepath.Join(dir, name) }
	b := harness.Start(t, addr, server.Env(), "serve", "--ftp", addr, "--ftps", "", "--tls", "optional", "--tls-cert", in("server.crt"), "--tls-key",
		in("server.key"), "--tls-client-ca", in("authority.crt"), "--tls-client-auth", "optional", "--endpoint", server.Endpoint, "--users", file,
		"--log-format", "json")
	password := []string{"FTP_PASSWORD=" + harness.Password}
	secure := append(password, "TLS=explicit", "CERTIFICATE="+in("server.crt"))
	with := func(env []string, name string) []string {
		return append(slices.Clone(env), "CLIENT_CERTIFICATE="+in(name+".crt"), "CLIENT_KEY="+in(name+".key"))
	}
	return b, map[login][]string{byPassword: password, overTLS: secure, withCertificate: with(secure, "device 7"),
		wrongCertificate: with(secure, "device 8"), wrongPassword: append(with(secure, "device 7"), "FTP_PASSWORD=wrong")}
}

// issue makes a certificate for 127.0.0.1 and clients, signed by an authority or by itself, and writes it to dir/NAME.crt and NAME.key.
func issue(t *testing.T, dir, name string, by *real.Certificate) real.Certificate {
	t.Helper()
	made := real.Issue(t, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		IsCA: by == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, by)
	for ext, text := range map[string][]byte{".crt": made.Cert, ".key": made.Key} {
		if err := os.WriteFile(filepath.Join(dir, name+ext), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return made
}

// TestUsers: real clients log in as each kind of user. They do what the user may do, in the user's prefix, and show the reply to all
// else.
func TestUsers(t *testing.T) {
	t.Parallel() // most of the time, clients wait for a refused login or for FileZilla's window
	server := real.MinIO(t)
	e := scenario.Task{Mode: "passive", Bucket: harness.NewBucket(t, server), Local: t.TempDir()}
	var logins map[login][]string
	e.Server, logins = userServer(t, server)
	e.Addr = e.Server.Addr
	sums := map[content]string{own: harness.SumOf(t, strings.NewReader(harness.OldContent)), marker: harness.SumOf(t, strings.NewReader("")),
		sent: harness.MakeFile(t, filepath.Join(e.Local, "sent"), 100)}
	e.Bucket.Put("anonymous/own", harness.OldContent)
	harness.SomeAtOnce(t, len(userClients), userClients, func(t *testing.T, name string, c userClient) {
		e := e
		e.Client, e.T, e.Bucket.T, e.Dir, e.Home = scenario.NewClient(t, "scripts/"+name), t, t, t.TempDir(), name+"-"
		e.Find(t)
		want := putPlaces(&e, c.acts)
		for _, a := range c.acts {
			e.Env = append(slices.Clone(logins[a.as]), "FTP_USER="+userOf(&e, a))
			if err := run(&e, a, c.shows[a.refused], sums); err != nil {
				t.Errorf("%s: %s %s with %s: %v", a.user, a.step, a.paths, cmp.Or(a.as, "password"), err)
			}
		}
		maps.Copy(want, c.stored)
		for key, what := range want {
			if got := e.Bucket.Sum(e.Home + key); got != cmp.Or(sums[what], "absent") {
				t.Errorf("%s%s has the sum %s, want that of %v", e.Home, key, got, what)
			}
		}
		maps.DeleteFunc(want, func(_ string, what content) bool { return what == absent })
		if keys := e.Bucket.Keys(e.Home); len(keys) != len(want) || len(e.Bucket.Keys("anonymous/")) != 1 {
			t.Errorf("S3 has %q, want %q", keys, slices.Sorted(maps.Keys(want)))
		}
	})
}

// userOf returns the name of the user of an act.
func userOf(e *scenario.Task, a act) string {
	if a.user == "anonymous" {
		return a.user
	}
	return e.Home + a.user
}

// putPlaces stores the files own and dir/inner of each user, and returns their keys.
func putPlaces(e *scenario.Task, acts []act) map[string]content {
	stored := make(map[string]content)
	for _, a := range acts {
		switch a.user {
		case "anonymous":
		case "mounts":
			stored["mounts/i/own"], stored["mounts/o/own"] = own, own
		default:
			stored[a.user+"/own"], stored[a.user+"/dir/inner"] = own, own
		}
	}
	for key := range stored {
		e.Bucket.Put(e.Home+key, harness.OldContent)
	}
	return stored
}

// run runs a step. It returns an error unless the step succeeds or, if there is something that the client must show, fails and shows it.
func run(e *scenario.Task, a act, shown string, sums map[content]string) error {
	back := filepath.Join(e.Dir, "back")
	args := strings.Fields(a.paths)
	at := args[0]
	if filepath.Base(e.Script) == "curl" { // whose URLs have a slash before a path
		at = "/" + at
	}
	switch a.step {
	case "put":
		args = []string{filepath.Join(e.Local, "sent"), at}
	case "get":
		args = []string{at, back}
	case "list":
		args = []string{at}
	}
	out, err := e.Do(a.step, args...)
	switch {
	case shown != "" && err == nil:
		return fmt.Errorf("it is not refused: %s", out)
	case shown != "" && !strings.Contains(err.Error(), shown):
		return fmt.Errorf("the client does not show %q: %w", shown, err)
	case shown != "":
		return nil
	case err != nil:
		return err
	case a.step == "list" && !strings.Contains(out, "inner"):
		return fmt.Errorf("the list is %q", out)
	case a.step == "get":
		want := sums[own]
		if a.paths == "new" {
			want = sums[sent]
		}
		defer os.Remove(back)
		return e.Received(back, want)
	}
	return nil
}

// TestUsersPage: docs/users.md has what curl shows in place of replies.
func TestUsersPage(t *testing.T) {
	page, err := os.ReadFile(harness.Root + "/docs/users.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range userClients["curl"].shows {
		if !strings.Contains(strings.ReplaceAll(string(page), "\n", " "), "`"+text+"`") {
			t.Errorf("docs/users.md lacks %q", text)
		}
	}
}
