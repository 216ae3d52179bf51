package transfers

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// lftpZ returns a command line of lftp for a command in MODE Z.
func lftpZ(addr, settings, command string) []string {
	args := harness.LftpArgs(addr, 1, command)
	args[len(args)-1] = "set cmd:fail-exit yes; set ftp:use-mode-z yes; " + settings + args[len(args)-1]
	return args
}

// writeFile writes a file, and returns its SHA-256.
func writeFile(t testing.TB, name string, content io.Reader) string {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, content); err != nil {
		t.Fatal(err)
	}
	if c, ok := content.(io.Closer); ok {
		c.Close()
	}
	return harness.SumFile(t, name)
}

// TestModeZ transfers files with lftp in MODE Z: up, down, resumed, and listed.
func TestModeZ(t *testing.T) {
	real.Client(t, "lftp")
	server := real.MinIO(t)
	view := harness.NewBucket(t, server)
	b := harness.StartServer(t, server, "--log-level", "debug")
	dir := t.TempDir()
	files := map[string]io.Reader{"empty": strings.NewReader(""), "one": strings.NewReader("x"), "log": harness.LogLines(20 * harness.MiB),
		"noise": io.LimitReader(harness.Noise("z"), 9*harness.MiB), "zeros": io.LimitReader(zeros{}, 64*harness.MiB)}
	for name, content := range files {
		local, back := filepath.Join(dir, name), filepath.Join(dir, name+"-back")
		want := writeFile(t, local, content)
		from := b.Log.Mark()
		out := harness.Run(t, dir, "", lftpZ(b.Addr, "", fmt.Sprintf("put %s; ls; get %[1]s -o %s", name, back))...)
		if got := view.Sum(name); got != want {
			t.Errorf("%s: S3 has %s, want %s", name, got, want)
		}
		if got := harness.SumFile(t, back); got != want {
			t.Errorf("%s: came back as %s, want %s", name, got, want)
		}
		if !strings.Contains(out, " "+name+"\n") {
			t.Errorf("%s: the list lacks it:\n%s", name, out)
		}
		b.Log.AwaitFrom(t, from, "command", "command=MODE", "name=Z")
		size := sizeOf(t, local)
		for _, verb := range []string{"STOR", "RETR"} {
			b.Log.AwaitFrom(t, from, "transfer", "command="+verb, "name=/"+name, "code=226", fmt.Sprint("bytes=", float64(size)))
		}
		if size > harness.MiB {
			if err := os.Truncate(back, size/3+1); err != nil {
				t.Fatal(err)
			}
			harness.Run(t, dir, "", lftpZ(b.Addr, "", fmt.Sprintf("get -c %s -o %s", name, back))...)
			if got := harness.SumFile(t, back); got != want {
				t.Errorf("%s: resumed to %s, want %s", name, got, want)
			}
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func sizeOf(t testing.TB, name string) int64 {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// TestModeZCut cuts uploads of lftp in MODE Z: lftp is killed, or only its data connection ends, with FIN. Nothing may be published,
// and lftp resumes the upload.
func TestModeZCut(t *testing.T) {
	real.Client(t, "lftp")
	harness.Alone(t)
	server := real.MinIO(t)
	view := harness.NewBucket(t, server)
	b := harness.StartServer(t, server, "--log-level", "debug", "--commit-grace", "100ms")
	dir := t.TempDir()
	for name, cut := range map[string]func(put func(addr, settings string) *exec.Cmd, name string){
		"killed": func(put func(addr, settings string) *exec.Cmd, name string) {
			cmd := put(b.Addr, "set net:limit-rate 8M; ")
			harness.Until(t, "parts in S3", func() bool { return view.PartBytes(name) >= 8*harness.MiB })
			cmd.Process.Kill()
			cmd.Wait()
		},
		"data-ends": func(put func(addr, settings string) *exec.Cmd, name string) {
			n := harness.NewFTPProxy(t, b.Addr, 21*harness.MiB+12345, func(l *harness.Session) {
				harness.Until(t, "parts in S3", func() bool { return view.PartBytes(name) >= 8*harness.MiB })
				l.Conns[len(l.Conns)-1].CloseWrite()
			})
			cmd := put(n.Addr, "")
			<-n.Cut
			b.Log.Await(t, "transfer", "command=STOR", "name=/"+name, "code=426")
			cmd.Process.Kill()
			cmd.Wait()
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := writeFile(t, filepath.Join(dir, name), io.LimitReader(harness.Noise(name), 40*harness.MiB))
			cut(func(addr, settings string) *exec.Cmd {
				args := lftpZ(addr, settings, "put "+name)
				cmd := exec.Command(args[0], args[1:]...)
				cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+t.TempDir())
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				return cmd
			}, name)
			b.Log.Await(t, "transfer", "command=STOR", "name=/"+name, "code=426")
			if got := view.Sum(name); got != "absent" {
				t.Errorf("S3 has %s", got)
			}
			harness.Run(t, dir, "", lftpZ(b.Addr, "", "put -c "+name)...)
			b.Log.Await(t, "resuming an upload", "key="+name)
			if got := view.Sum(name); got != want {
				t.Errorf("S3 has %s, want %s", got, want)
			}
		})
	}
}
