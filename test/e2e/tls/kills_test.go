package tls

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// tlsKilled are command lines of clients that upload from a pipe until they are killed.
var tlsKilled = map[string]func(v tlsRun, pipe, name string) []string{
	"curl": func(v tlsRun, pipe, name string) []string {
		return append(v.curlArgs(), "-T", "-", v.curlURL(name), "--stderr", os.DevNull)
	},
	"lftp": func(v tlsRun, pipe, name string) []string {
		return []string{"lftp", "--norc", "-c", v.lftpSettings() + "put " + harness.Quote(pipe) + " -o " + harness.Quote(v.home+"/"+name)}
	},
	"python3": func(v tlsRun, pipe, name string) []string {
		script := filepath.Join(v.dir, "script.py")
		if err := os.WriteFile(script, []byte(ftplibScript(v.t)), 0o666); err != nil {
			v.t.Fatal(err)
		}
		return v.ftplibArgs(script, "stock", "put", pipe, v.home+"/"+name)
	},
}

// TestTLSKills kills clients in mid-upload. The kernel closes their connections with FIN, without close_notify.
func TestTLSKills(t *testing.T) {
	server := real.MinIO(t)
	view := harness.NewBucket(t, server)
	b := harness.StartTLSServer(t, server)
	w, end := view.Watch()
	cases := make(map[string]tlsCell)
	for program := range tlsKilled {
		for version := range harness.TLSVersions {
			cases[program+" "+version] = tlsCell{tlsClient: tlsClient{name: program}, version: version}
		}
	}
	harness.SomeAtOnce(t, 3, cases, func(t *testing.T, place string, c tlsCell) {
		real.Client(t, c.name)
		random := rand.New(rand.NewPCG(12, uint64(harness.TLSVersions[c.version])))
		for i := range 12 {
			v := tlsRun{tlsCell: c, t: t, b: b, from: b.Log.Mark(), home: "/" + place, dir: t.TempDir()}
			amount := random.Int64N(12*harness.MiB) + 1
			if i%3 == 0 {
				amount = random.Int64N(100*harness.KiB) + 1
			}
			v.kill(fmt.Sprint(i), amount)
		}
	})
	end()
	if keys := view.Keys(""); len(keys)+len(w.Seen) > 0 {
		t.Errorf("of the uploads that were killed, these were published: %q, %v", keys, w.Seen)
	}
}

// kill kills the client with SIGKILL when it has read that many bytes of a file.
func (v tlsRun) kill(name string, amount int64) {
	v.t.Helper()
	pipe := filepath.Join(v.dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		v.t.Fatal(err)
	}
	both, err := os.OpenFile(pipe, os.O_RDWR, 0) // O_RDWR does not block
	if err != nil {
		v.t.Fatal(err)
	}
	defer both.Close()
	args := tlsKilled[v.name](v, pipe, name)
	cmd := exec.CommandContext(v.t.Context(), args[0], args[1:]...)
	output := new(strings.Builder)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = both, output, output
	cmd.Env = append(os.Environ(), "HOME="+v.dir)
	if err := cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() {
		_, err := io.CopyN(both, harness.Noise(name), amount)
		sent <- err
	}()
	remote := v.home + "/" + name
	if v.name != "python3" { // the others send absolute paths
		remote = remote[1:]
	}
	v.b.Log.AwaitFrom(v.t, v.from, "command", "command=STOR", "name="+remote)
	if err := <-sent; err != nil {
		v.t.Fatal(err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	e := v.b.Log.AwaitFrom(v.t, v.from, "transfer", "name="+v.home+"/"+name)
	begun := e["code"] == 426.0 && e["bytes"] != 0.0
	if e["code"] != 426.0 && e["code"] != 522.0 || amount > harness.MiB && !begun { // 522: it was killed in the handshake
		v.t.Errorf("%s, killed after %d bytes, ends with %v: %v\n%s", name, amount, e["code"], e["err"], output)
	}
}
