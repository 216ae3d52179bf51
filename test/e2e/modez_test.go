package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// lftpZ is a command line of lftp that does something in MODE Z.
func lftpZ(addr, settings, command string) []string {
	args := lftpArgs(addr, 1, command)
	args[len(args)-1] = "set cmd:fail-exit yes; set ftp:use-mode-z yes; " + settings + args[len(args)-1]
	return args
}

// aLog is the text of a log of that many bytes, which compresses well.
func aLog(size int64) io.Reader {
	r, w := io.Pipe()
	go func() {
		for i := 0; ; i++ {
			if _, err := fmt.Fprintf(w, "line %d: sensor %d reads %x\n", i, i%40, i*i%9973); err != nil {
				return
			}
		}
	}()
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(r, size), r}
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
	return sumFile(t, name)
}

// TestModeZ has lftp move files in MODE Z: up, down, resumed, and listed.
func TestModeZ(t *testing.T) {
	real.Client(t, "lftp")
	server := real.MinIO(t)
	view := newBucket(t, server)
	b := startBridge(t, server, "--log-level", "debug")
	dir := t.TempDir()
	files := map[string]io.Reader{"empty": strings.NewReader(""), "one": strings.NewReader("x"), "log": aLog(20 * mib),
		"noise": io.LimitReader(noise("z"), 9*mib), "zeros": io.LimitReader(zeros{}, 64*mib)}
	for name, content := range files {
		local, back := filepath.Join(dir, name), filepath.Join(dir, name+"-back")
		want := writeFile(t, local, content)
		from := b.log.mark()
		out := run(t, dir, "", lftpZ(b.addr, "", fmt.Sprintf("put %s; ls; get %[1]s -o %s", name, back))...)
		if got := view.sum(name); got != want {
			t.Errorf("%s: S3 has %s, want %s", name, got, want)
		}
		if got := sumFile(t, back); got != want {
			t.Errorf("%s: came back as %s, want %s", name, got, want)
		}
		if !strings.Contains(out, " "+name+"\n") {
			t.Errorf("%s: the list lacks it:\n%s", name, out)
		}
		b.log.awaitFrom(t, from, "command", "command=MODE", "name=Z")
		size := sizeOf(t, local)
		for _, verb := range []string{"STOR", "RETR"} {
			b.log.awaitFrom(t, from, "transfer", "command="+verb, "name=/"+name, "code=226", fmt.Sprint("bytes=", float64(size)))
		}
		if size > mib {
			if err := os.Truncate(back, size/3+1); err != nil {
				t.Fatal(err)
			}
			run(t, dir, "", lftpZ(b.addr, "", fmt.Sprintf("get -c %s -o %s", name, back))...)
			if got := sumFile(t, back); got != want {
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

// TestModeZCut cuts uploads of lftp in MODE Z: it is killed, or its data connection alone ends, as well as one can. Nothing is
// published, and lftp goes on where the upload stands.
func TestModeZCut(t *testing.T) {
	real.Client(t, "lftp")
	server := real.MinIO(t)
	view := newBucket(t, server)
	b := startBridge(t, server, "--log-level", "debug", "--commit-grace", "100ms")
	dir := t.TempDir()
	for name, cut := range map[string]func(put func(addr, settings string) *exec.Cmd, name string){
		"killed": func(put func(addr, settings string) *exec.Cmd, name string) {
			cmd := put(b.addr, "set net:limit-rate 8M; ")
			until(t, "parts in S3", func() bool { return view.parts(name) >= 8*mib })
			cmd.Process.Kill()
			cmd.Wait()
		},
		"data-ends": func(put func(addr, settings string) *exec.Cmd, name string) {
			n := newNetwork(t, b.addr, 21*mib+12345, func(l *line) {
				until(t, "parts in S3", func() bool { return view.parts(name) >= 8*mib })
				l.conns[len(l.conns)-1].CloseWrite()
			})
			cmd := put(n.addr, "")
			<-n.cut
			b.log.await(t, "transfer", "command=STOR", "name=/"+name, "code=426")
			cmd.Process.Kill()
			cmd.Wait()
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := writeFile(t, filepath.Join(dir, name), io.LimitReader(noise(name), 40*mib))
			cut(func(addr, settings string) *exec.Cmd {
				args := lftpZ(addr, settings, "put "+name)
				cmd := exec.Command(args[0], args[1:]...)
				cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+t.TempDir())
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				return cmd
			}, name)
			b.log.await(t, "transfer", "command=STOR", "name=/"+name, "code=426")
			if got := view.sum(name); got != "absent" {
				t.Errorf("S3 has %s", got)
			}
			run(t, dir, "", lftpZ(b.addr, "", "put -c "+name)...)
			b.log.await(t, "resuming an upload", "key="+name)
			if got := view.sum(name); got != want {
				t.Errorf("S3 has %s, want %s", got, want)
			}
		})
	}
}
