package docs

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// put stores README.md as a client of the commands of the documentation.
const put = "curl -sS --ftp-create-dirs -T README.md ftp://alice:secret@127.0.0.1:2121/2026/README.md"

// TestReadme runs the commands of README.md as they are written, except for addresses, keys and where files lie.
func TestReadme(t *testing.T) {
	for _, p := range []string{"curl", "lftp", "openssl"} {
		real.Client(t, p)
	}
	commands := readCommands(t)
	server, bucket := invoices(t)
	readme := harness.SumFile(t, harness.Root+"/README.md")

	t.Run("install", func(t *testing.T) {
		cmd, dir := exec.Command("go", "install", "./cmd/s3ftpd"), t.TempDir()
		cmd.Dir, cmd.Env = harness.Root, append(os.Environ(), "GOBIN="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if out := harness.Run(t, dir, "", "./s3ftpd", "version"); !strings.Contains(out, "s3ftpd") {
			t.Errorf("it says %q", out)
		}
	})
	t.Run("demo", func(t *testing.T) {
		ftp, sftp := real.FreeAddr(t), real.FreeAddr(t)
		// The demo's ports are other ones here, and its data lie elsewhere.
		daemon(t, commands.get(t, "demo")+" --ftp "+ftp+" --ftps "+real.FreeAddr(t)+" --sftp "+sftp+" --s3 "+real.FreeAddr(t)+" --dir "+t.TempDir(), nil)
		out := harness.Run(t, "", "", "sh", "-ec", strings.NewReplacer("127.0.0.1:2121", ftp, "127.0.0.1:2022", sftp).Replace(commands.get(t, "demo client")))
		if strings.Count(out, "hello.txt") != 1 || strings.Count(out, "Hello, bucket!") != 2 {
			t.Errorf("the client sees %q", out)
		}
	})
	t.Run("minio", func(t *testing.T) {
		p := newPlace(t, server, t.TempDir())
		p.serve(t, commands.get(t, "minio"), nil)
		p.run(t, put)
		if got := bucket.Sum("2026/README.md"); got != readme {
			t.Errorf("S3 has %s, want %s", got, readme)
		}
	})
	t.Run("aws", func(t *testing.T) {
		p := newPlace(t, server, t.TempDir())
		p.serve(t, commands.get(t, "aws"), append(server.Env(), "AWS_ENDPOINT_URL="+server.Endpoint))
		p.run(t, put)
		if got := bucket.Sum("incoming/2026/README.md"); got != readme {
			t.Errorf("S3 has %s, want %s", got, readme)
		}
	})
	t.Run("tls", func(t *testing.T) {
		p := newPlace(t, server, t.TempDir())
		p.run(t, commands.get(t, "tls certificate"))
		p.serve(t, commands.get(t, "tls"), nil)
		p.run(t, put+"-by-tls --ssl-reqd --cacert cert.pem")
		if got := bucket.Sum("2026/README.md-by-tls"); got != readme {
			t.Errorf("S3 has %s, want %s", got, readme)
		}
		if out, err := harness.Try(t, harness.Root, "", "sh", "-ec", p.here.Replace(put)); err == nil {
			t.Errorf("without TLS the client sees %q", out)
		}
	})
}

// TestResumeDoc kills a client in the middle of an upload, and continues as docs/resume.md says.
func TestResumeDoc(t *testing.T) {
	real.Client(t, "curl")
	commands := readCommands(t)
	server, bucket := invoices(t)
	p := newPlace(t, server, t.TempDir())
	p.serve(t, commands.get(t, "minio"), nil)
	want := harness.MakeFile(t, p.dir+"/archive.tar", 12*harness.MiB)
	half := exec.Command("curl", "-sS", "-T", "-", "ftp://alice:secret@"+p.ftp+"/archive.tar")
	stdin, err := half.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := half.Start(); err != nil {
		t.Fatal(err)
	}
	io.CopyN(stdin, harness.Noise(p.dir+"/archive.tar"), 7*harness.MiB)
	half.Process.Kill()
	half.Wait()
	harness.Until(t, "the upload that broke", func() bool { return bucket.PartBytes("archive.tar") > 0 })
	harness.Run(t, p.dir, "", "sh", "-ec", p.here.Replace(commands.get(t, "resume")))
	if got := bucket.Sum("archive.tar"); got != want {
		t.Errorf("S3 has %s, want %s", got, want)
	}
}

// TestTestsDoc: the command that runs all tests exists.
func TestTestsDoc(t *testing.T) {
	if got := blocksOf(t).get(t, "tests"); got != "test/all" {
		t.Errorf("the tests are run by %q", got)
	} else if _, err := exec.LookPath(harness.Root + "/" + got); err != nil {
		t.Error(err)
	}
}
