package docs

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// inDir runs a block in the directory of the place, and returns its output.
func (p place) inDir(t *testing.T, block string) string {
	t.Helper()
	return harness.Run(t, p.dir, "", "sh", "-ec", p.here.Replace(block))
}

// serveInDir runs a block that ends with s3ftpd, in the directory of the place, until the test ends.
func (p place) serveInDir(t *testing.T, block string) {
	t.Helper()
	daemon(t, "cd '"+p.dir+"'; "+p.here.Replace(block), nil)
}

// TestUsersDoc runs the commands of docs/users.md.
func TestUsersDoc(t *testing.T) {
	for _, p := range []string{"curl", "openssl"} {
		real.Client(t, p)
	}
	commands := readCommands(t)
	server, bucket := invoices(t)
	p := newPlace(t, server, t.TempDir())

	p.inDir(t, commands.get(t, "ten users"))
	list := p.inDir(t, commands.get(t, "ten users list"))
	if documented := textBlock(t, "users.md", "ten users table"); !strings.HasPrefix(list, documented) || strings.Count(list, "\n") != 11 {
		t.Errorf("the table is\n%sdocs/users.md has\n%s", list, documented)
	}
	t.Run("demo", func(t *testing.T) {
		ftp := real.FreeAddr(t)
		daemon(t, "cd '"+p.dir+"'; "+commands.get(t, "ten users demo")+" --ftp "+ftp+" --ftps "+real.FreeAddr(t)+" --s3 "+real.FreeAddr(t), nil)
		out := harness.Run(t, p.dir, "", "sh", "-ec", strings.ReplaceAll(commands.get(t, "ten users client"), "127.0.0.1:2121", ftp))
		if strings.Count(out, "hello.txt") != 1 {
			t.Errorf("Ada and Ben see %q", out)
		}
	})
	t.Run("minio", func(t *testing.T) {
		p.serveInDir(t, commands.get(t, "ten users minio"))
		p.inDir(t, commands.get(t, "ten users client"))
		if got := bucket.Sum("customers/ada/hello.txt"); got == "absent" {
			t.Error("the file of Ada is not in S3")
		}
	})
	t.Run("change password", func(t *testing.T) {
		p.inDir(t, commands.get(t, "change password"))
		p.serveInDir(t, commands.get(t, "ten users minio"))
		if out := p.inDir(t, "curl -sS -u 'ada:correct horse' ftp://127.0.0.1:2121/"); !strings.Contains(out, "hello.txt") {
			t.Errorf("Ada sees %q", out)
		}
		if out, err := harness.Try(t, p.dir, "", "sh", "-ec", p.here.Replace(commands.get(t, "ten users client"))); err == nil {
			t.Errorf("with the old password Ada sees %q", out)
		}
	})
}

// textBlock returns the text after the comment <!-- name --> in a page of docs.
func textBlock(t *testing.T, page, name string) string {
	t.Helper()
	text, err := os.ReadFile(harness.Root + "/docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "<!-- "+name+" -->\n```")
	_, rest, _ = strings.Cut(rest, "\n")
	block, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatalf("docs/%s has no text %q", page, name)
	}
	return block
}

// A recipe is a users file of docs/users.md, what is in S3 before, and what users can do with it. Their passwords are "secret".
type recipe struct {
	name    string
	replace []string // in the file
	objects map[string]string
	allowed []string // commands of curl
	refused []string
	stored  []string // keys in the bucket invoices
}

var recipes = []recipe{
	{name: "customers", stored: []string{"customers/alice/a", "customers/bob/b"},
		allowed: []string{"-T README.md ftp://alice:secret@HOST/a", "-T README.md ftp://bob:secret@HOST/b", "ftp://bob:secret@HOST/b"},
		refused: []string{"ftp://bob:secret@HOST/a", "ftp://bob:secret@HOST/../alice/a"}},
	{name: "drop box", stored: []string{"scans/1.pdf"},
		allowed: []string{"-T README.md ftp://scanner:secret@HOST/1.pdf", "ftp://archive:secret@HOST/1.pdf", "ftp://archive:secret@HOST/"},
		refused: []string{"-T LICENSE ftp://scanner:secret@HOST/1.pdf", "ftp://scanner:secret@HOST/1.pdf", "ftp://scanner:secret@HOST/"}},
	{name: "reports",
		allowed: []string{"-T README.md ftp://publisher:secret@HOST/2026.pdf", "ftp://reader:secret@HOST/2026.pdf", "ftp://reader:secret@HOST/"},
		refused: []string{"-T README.md ftp://reader:secret@HOST/other.pdf"}},
	{name: "quotas", stored: []string{"customers/alice/a", "customers/bob/b"}, replace: []string{"10GiB", "8KiB"}, // more than one README.md
		allowed: []string{"-T README.md ftp://alice:secret@HOST/a", "-T README.md ftp://bob:secret@HOST/a", "-T README.md ftp://bob:secret@HOST/b"},
		refused: []string{"-T README.md ftp://alice:secret@HOST/b"}},
	{name: "mounts", stored: []string{"customers/alice/in/a"}, objects: map[string]string{"customers/alice/out/b": "x"},
		allowed: []string{"-T README.md ftp://alice:secret@HOST/a", "ftp://alice:secret@HOST//out/b", "ftp://alice:secret@HOST//reports/",
			"ftp://operator:secret@HOST/alice/in/a"},
		refused: []string{"ftp://alice:secret@HOST//in/", "-T README.md ftp://alice:secret@HOST//out/c", "-T README.md ftp://alice:secret@HOST//c"}},
	{name: "anonymous",
		allowed: []string{"-T README.md ftp://editor:secret@HOST/a", "ftp://HOST/a", "ftp://anonymous:any@HOST/"},
		refused: []string{"-T README.md ftp://HOST/b", "ftp://editor:any@HOST/"}},
}

var userName = regexp.MustCompile(`(?m)^  - name: (\S+)`)

// writeRecipe writes the users file of a recipe, and sets the passwords.
func (p place) writeRecipe(t *testing.T, r recipe) {
	t.Helper()
	text := strings.NewReplacer(r.replace...).Replace(textBlock(t, "users.md", "users: "+r.name))
	if err := os.WriteFile(filepath.Join(p.dir, "users.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, m := range userName.FindAllStringSubmatch(text, -1) {
		if m[1] != "anonymous" {
			p.inDir(t, "echo secret | s3ftpd passwd --users users.yaml --name "+m[1])
		}
	}
}

// TestUserRecipes: with the users files of docs/users.md, users can do what the page says, and no more.
func TestUserRecipes(t *testing.T) {
	real.Client(t, "curl")
	commands := readCommands(t)
	for _, r := range recipes {
		t.Run(r.name, func(t *testing.T) {
			server, bucket := invoices(t)
			for _, name := range []string{"reports", "public"} {
				other := bucket
				other.Name = name
				other.Create()
			}
			for key, content := range r.objects {
				bucket.Put(key, content)
			}
			p := newPlace(t, server, t.TempDir())
			p.writeRecipe(t, r)
			p.serveInDir(t, commands.get(t, "ten users minio"))
			for _, args := range r.allowed {
				p.run(t, "curl -sS "+strings.ReplaceAll(args, "HOST", p.ftp))
			}
			for _, args := range r.refused {
				if out, err := harness.Try(t, harness.Root, "", "sh", "-c", "curl -sS --path-as-is "+strings.ReplaceAll(args, "HOST", p.ftp)); err == nil {
					t.Errorf("curl %s: not refused: %.80q", args, out)
				}
			}
			for _, key := range r.stored {
				if got, want := bucket.Sum(key), harness.SumFile(t, harness.Root+"/README.md"); got != want {
					t.Errorf("%s is %s, want %s", key, got, want)
				}
			}
		})
	}
}

// TestUserKeys: the keys of a user in docs/users.md are used, not those of the server.
func TestUserKeys(t *testing.T) {
	real.Client(t, "curl")
	commands := readCommands(t)
	server, bucket := invoices(t)
	bucket.Name = "partner-data"
	bucket.Create()
	p := newPlace(t, server, t.TempDir())
	secret := filepath.Join(p.dir, "secret")
	if err := os.WriteFile(secret, []byte(server.SecretKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, role, _ := strings.Cut(textBlock(t, "users.md", "users: keys and roles"), "  - name: auditor\n") // there is no STS here
	p.writeRecipe(t, recipe{name: "keys and roles", replace: []string{"  - name: auditor\n" + role, "", "https://s3.example.com", server.Endpoint,
		"PARTNERKEY", server.AccessKey, "/run/secrets/partner", secret}})
	p.serveInDir(t, strings.NewReplacer("minioadmin", "unknown", "--endpoint http://127.0.0.1:9000 ", "").Replace(commands.get(t, "ten users minio")))
	p.run(t, "curl -sS -T README.md ftp://partner:secret@127.0.0.1:2121/a")
	if got, want := bucket.Sum("a"), harness.SumFile(t, harness.Root+"/README.md"); got != want {
		t.Errorf("the file is %s, want %s", got, want)
	}
}

// TestTwoFactors: alice of docs/users.md needs both a certificate and a password, bob a password only.
func TestTwoFactors(t *testing.T) {
	for _, p := range []string{"curl", "openssl"} {
		real.Client(t, p)
	}
	commands := readCommands(t)
	server, bucket := invoices(t)
	bucket.Put("alice/file", "x")
	p := newPlace(t, server, t.TempDir())
	p.inDir(t, commands.get(t, "tls certificate"))
	p.inDir(t, commands.get(t, "client certificate"))
	p.writeRecipe(t, recipe{name: "two factors"})
	p.serveInDir(t, commands.get(t, "two factors server"))
	client := commands.get(t, "two factors client")
	if out := p.inDir(t, client); !strings.Contains(out, "file") {
		t.Errorf("with both, alice sees %q", out)
	}
	bucket.Put("bob/other", "x")
	bob := strings.NewReplacer("--cert scanner.crt --key scanner.key", "", "alice", "bob").Replace(client)
	if out := p.inDir(t, bob); !strings.Contains(out, "other") {
		t.Errorf("without a certificate, bob sees %q", out)
	}
	for _, old := range []string{"--cert scanner.crt --key scanner.key", ":secret"} {
		with := map[string]string{":secret": ":wrong"}[old]
		if out, err := harness.Try(t, p.dir, "", "sh", "-ec", p.here.Replace(strings.Replace(client, old, with, 1))); err == nil {
			t.Errorf("without %s alice sees %q", old, out)
		}
	}
}

// awaitPort waits until a program listens on an address.
func awaitPort(t *testing.T, address string) {
	t.Helper()
	late, tick := time.After(30*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-late:
			t.Fatalf("no program listens on %s", address)
		case <-tick.C:
		}
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return
		}
	}
}

// TestHookDoc: the hook of docs/users.md, which verifies the signatures by itself, decides about logins.
func TestHookDoc(t *testing.T) {
	for _, p := range []string{"curl", "openssl", "python3"} {
		real.Client(t, p)
	}
	commands := readCommands(t)
	server, bucket := invoices(t)
	p := newPlace(t, server, t.TempDir())
	hook := real.FreeAddr(t)
	port := hook[strings.LastIndexByte(hook, ':')+1:]
	program := strings.ReplaceAll(textBlock(t, "users.md", "hook program"), "8080", port)
	if err := os.WriteFile(filepath.Join(p.dir, "hook.py"), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-ec", strings.Replace(commands.get(t, "hook"), "python3", "exec python3", 1))
	cmd.Dir = p.dir
	real.Start(t, cmd)
	awaitPort(t, hook)
	block := strings.ReplaceAll(commands.get(t, "hook server"), "8080", port)
	p.serveInDir(t, block)
	if out := p.inDir(t, commands.get(t, "hook client")); !strings.Contains(out, "hello.txt") {
		t.Errorf("alice sees %q", out)
	}
	if got := bucket.Sum("customers/alice/hello.txt"); got == "absent" {
		t.Error("the file of alice is not in S3")
	}
	p.run(t, "curl -sS -u scanner:s3cret -T README.md ftp://127.0.0.1:2121/")
	for args, reply := range map[string]string{
		"-u alice:wrong":                    "530 Login incorrect.",
		"-u bob:wonderland":                 "530 Login incorrect.",
		"-u scanner:s3cret -T README.md":    "550 ",
		"-u scanner:s3cret -Q 'DELE a'":     "550 ",
		"-u 'alice:wonderland\xC3\xA9'":     "530 Login incorrect.",
		"-u alice:wonderland -Q 'CWD /..x'": "550 ",
	} {
		if out, err := harness.Try(t, harness.Root, "", "sh", "-c", "curl -sSv "+args+" ftp://"+p.ftp+"/"); err == nil || !strings.Contains(out, "< "+reply) {
			t.Errorf("curl %s: %v, want %s\n%s", args, err, reply, out)
		}
	}
	check := strings.Replace(block, "s3ftpd --ftp :2121", "s3ftpd check --ftp 127.0.0.1:0 --passive-ports 1024-65535 --active=false", 1)
	if out := p.inDir(t, check); !strings.Contains(out, "ok    the hook answers 404: ") {
		t.Errorf("check says\n%s", out)
	}
	t.Run("another secret", func(t *testing.T) {
		p.inDir(t, "echo another > hook-secret") // the hook has read the first one
		if out, err := harness.Try(t, harness.Root, "", "sh", "-c", "curl -sSv -u scanner:wrong ftp://"+p.ftp+"/"); err == nil || !strings.Contains(out, "try again later") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}
