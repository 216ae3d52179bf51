package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

func TestMain(m *testing.M) { harness.Main(m) }

// commands are the blocks of commands in README.md and docs/, by the names in the comments before them. No two have one name.
type commands map[string]string

// A test of this package runs a block of commands, or the block's comment gives the reason why none can.
var (
	runBlock    = regexp.MustCompile("(?s)<!-- run: ([a-z ]+) -->\n```sh\n(.*?)```")
	notRunBlock = regexp.MustCompile("<!-- not run: [a-z][^>]{10,} -->\n```sh\n")
)

// readCommands reads all pages, and puts s3ftpd on the PATH.
func readCommands(t *testing.T) commands {
	t.Helper()
	t.Setenv("PATH", filepath.Dir(harness.Program())+":"+os.Getenv("PATH"))
	return blocksOf(t)
}

func blocksOf(t *testing.T) commands {
	t.Helper()
	pages, err := filepath.Glob(harness.Root + "/docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages, or %v", err)
	}
	all := make(commands)
	for _, page := range append(pages, harness.Root+"/README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		found := runBlock.FindAllStringSubmatch(string(text), -1)
		for _, m := range found {
			if all[m[1]] != "" {
				t.Errorf("two blocks are named %q", m[1])
			}
			all[m[1]] = m[2]
		}
		if n := strings.Count(string(text), "```sh"); n != len(found)+len(notRunBlock.FindAllString(string(text), -1)) {
			t.Errorf("%s: each of its %d blocks of commands needs a comment, with a name or with the reason why it is not run", page, n)
		}
	}
	return all
}

// get returns a block by its name.
func (c commands) get(t *testing.T, name string) string {
	t.Helper()
	block := strings.TrimSpace(c[name])
	if block == "" {
		t.Fatalf("no page has the block %q", name)
	}
	return block
}

// TestEveryBlockIsRun: a test of this package gets each block.
func TestEveryBlockIsRun(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	for name := range blocksOf(t) {
		if !strings.Contains(source.String(), `.get(t, "`+name+`")`) {
			t.Errorf("no test runs the block %q", name)
		}
	}
}

// A place is where commands are run: on free ports, before the S3 server of a test, with their files in a directory.
type place struct {
	ftp, ftps, sftp, dir string
	here                 *strings.Replacer
}

// newPlace returns a place with files in dir.
func newPlace(t *testing.T, server *real.S3, dir string) place {
	t.Helper()
	p := place{ftp: real.FreeAddr(t), ftps: real.FreeAddr(t), sftp: real.FreeAddr(t), dir: dir}
	passive := real.FreeAddr(t)
	replace := []string{
		" :2022", " " + p.sftp, "-P 2022", "-P " + port(p.sftp), "]:2022", "]:" + port(p.sftp),
		" :2121", " " + p.ftp, "127.0.0.1:2121", p.ftp, " :2990", " " + p.ftps, "127.0.0.1:2990", p.ftps,
		" 60000 ", " " + port(passive) + " ",
		"http://127.0.0.1:9000", server.Endpoint,
		"AWS_ACCESS_KEY_ID=minioadmin", "AWS_ACCESS_KEY_ID=" + server.AccessKey,
		"AWS_SECRET_ACCESS_KEY=minioadmin", "AWS_SECRET_ACCESS_KEY=" + server.SecretKey,
	}
	for _, name := range []string{"cert.pem", "key.pem", "ca.crt", "ca.key", "scanner.crt", "scanner.key"} {
		replace = append(replace, " "+name, " "+filepath.Join(dir, name))
	}
	p.here = strings.NewReplacer(replace...)
	return p
}

// port returns the port of an address.
func port(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

// serve runs a block that ends with s3ftpd until the test ends.
func (p place) serve(t *testing.T, block string, env []string) { daemon(t, p.here.Replace(block), env) }

// run runs a block in the root of the repository, and returns its output.
func (p place) run(t *testing.T, block string) string {
	t.Helper()
	return harness.Run(t, harness.Root, "", "sh", "-ec", p.here.Replace(block))
}

// daemon runs a block that ends with s3ftpd, in the root of the repository, until the test ends.
func daemon(t *testing.T, block string, env []string) {
	t.Helper()
	cmd := exec.Command("sh", "-ec", block)
	cmd.Dir = harness.Root
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the shell may start the program as its child
	log := harness.NewLog()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s\n%s", block, log.Tail(60))
		}
	})
	answers := "the bucket answers"
	if strings.Contains(block, "--auth s3") {
		answers = "S3 answers, and verifies keys"
	}
	log.Await(t, answers)
}

// invoices starts an S3 server with the bucket of the documentation.
func invoices(t *testing.T) (*real.S3, harness.Bucket) {
	t.Helper()
	server := real.MinIO(t)
	bucket := harness.NewBucket(t, server)
	bucket.Name = "invoices"
	bucket.Create()
	return server, bucket
}
