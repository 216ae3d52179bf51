package docs

import (
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

func TestMain(m *testing.M) { harness.Main(m) }

// commandBlocks returns the blocks of commands in a page, by the names in the comments before them.
func commandBlocks(t *testing.T, page string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	blocks := make(map[string]string)
	for _, m := range regexp.MustCompile("(?s)<!-- run: ([a-z ]+) -->\n```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		blocks[m[1]] = m[2]
	}
	if n := strings.Count(string(text), "```sh"); n != len(blocks) {
		t.Fatalf("%d blocks of commands, %d of which a test runs", n, len(blocks))
	}
	return blocks
}

// readmeStage returns the commands of README.md, and the S3 server and the bucket that they are run with.
func readmeStage(t *testing.T) (blocks map[string]string, server *real.S3, v harness.Bucket) {
	t.Helper()
	for _, cache := range []string{"GOCACHE", "GOMODCACHE"} { // which are below HOME, and that is another one here
		t.Setenv(cache, goEnv(t, cache))
	}
	blocks = commandBlocks(t, harness.Root+"/README.md")
	server = real.MinIO(t)
	v = harness.NewBucket(t, server)
	v.Name = "invoices"
	v.Create()
	return blocks, server, v
}

// TestReadme runs the commands of README.md as they stand there, but for addresses and keys.
func TestReadme(t *testing.T) {
	for _, p := range []string{"curl", "lftp"} {
		real.Client(t, p)
	}
	blocks, server, v := readmeStage(t)

	t.Run("demo", func(t *testing.T) {
		ftp := real.FreeAddr(t)
		// The demo's ports are other ones here, and its data lie elsewhere.
		daemon(t, strings.TrimSpace(blocks["demo"])+" --ftp "+ftp+" --ftps "+real.FreeAddr(t)+" --s3 "+real.FreeAddr(t)+" --dir "+t.TempDir(), nil)
		out := harness.Run(t, "", "", "sh", "-ec", strings.ReplaceAll(blocks["demo client"], "127.0.0.1:2121", ftp))
		if strings.Count(out, "hello.txt") != 1 || strings.Count(out, "Hello, bucket!") != 2 {
			t.Errorf("the client sees %q", out)
		}
	})
	for name, key := range map[string]string{"minio": "2026/README.md", "aws": "incoming/2026/README.md"} {
		t.Run(name, func(t *testing.T) {
			ftp := real.FreeAddr(t)
			here := strings.NewReplacer(" :2121", " "+ftp, "127.0.0.1:2121", ftp, "http://127.0.0.1:9000", server.Endpoint,
				"AWS_ACCESS_KEY_ID=minioadmin AWS_SECRET_ACCESS_KEY=minioadmin", "READ=ME")
			daemon(t, here.Replace(blocks[name]), append(server.Env(), "AWS_ENDPOINT_URL="+server.Endpoint))
			harness.Run(t, harness.Root, "", "sh", "-ec", here.Replace(blocks["minio client"]))
			if got, want := v.Sum(key), harness.SumFile(t, harness.Root+"/README.md"); got != want {
				t.Errorf("S3 has %s, want %s", got, want)
			}
		})
	}
	t.Run("resume", func(t *testing.T) {
		ftp := real.FreeAddr(t)
		here := strings.NewReplacer(" :2121", " "+ftp, "127.0.0.1:2121", ftp, "http://127.0.0.1:9000", server.Endpoint,
			"AWS_ACCESS_KEY_ID=minioadmin AWS_SECRET_ACCESS_KEY=minioadmin", "READ=ME")
		daemon(t, here.Replace(blocks["minio"]), append(server.Env(), "AWS_ENDPOINT_URL="+server.Endpoint))
		dir := t.TempDir()
		want := harness.MakeFile(t, dir+"/archive.tar", 12*harness.MiB)
		half := exec.Command("curl", "-sS", "-T", "-", "ftp://alice:secret@"+ftp+"/2026/archive.tar")
		stdin, err := half.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := half.Start(); err != nil {
			t.Fatal(err)
		}
		io.CopyN(stdin, harness.Noise(dir+"/archive.tar"), 7*harness.MiB)
		half.Process.Kill()
		half.Wait()
		harness.Until(t, "the upload that broke", func() bool { return v.PartBytes("2026/archive.tar") > 0 })
		harness.Run(t, dir, "", "sh", "-ec", here.Replace(blocks["resume"]))
		if got := v.Sum("2026/archive.tar"); got != want {
			t.Errorf("S3 has %s, want %s", got, want)
		}
	})
	t.Run("check", func(t *testing.T) {
		here := strings.NewReplacer(" :2121", " "+real.FreeAddr(t), "http://127.0.0.1:9000", server.Endpoint,
			"=minioadmin AWS", "="+server.AccessKey+" AWS", "=minioadmin\n", "="+server.SecretKey+"\n")
		out := harness.Run(t, harness.Root, "", "sh", "-ec", here.Replace(blocks["check"]))
		if strings.Contains(out, "FAIL") || !strings.Contains(out, "ok    an object can be deleted\n") {
			t.Errorf("the check says\n%s", out)
		}
	})
	if got := strings.TrimSpace(blocks["tests"]); got != "test/all" {
		t.Errorf("the tests are run by %q", got)
	} else if _, err := exec.LookPath(harness.Root + "/" + got); err != nil {
		t.Error(err)
	}
}

// daemon runs a block of commands whose last one serves, in the root of the repository, until the test is over.
func daemon(t *testing.T, block string, env []string) {
	t.Helper()
	block = strings.TrimSpace(block)
	cmd := exec.Command("sh", "-ec", block)
	cmd.Dir = harness.Root
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // go run starts the program as its child
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
	log.Await(t, "the bucket answers")
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
