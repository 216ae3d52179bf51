package rclone

import (
	"io"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestRcloneKilled kills rclone in mid-upload, with a temporary name and without: nothing may be published, and the next upload must
// be exact.
func TestRcloneKilled(t *testing.T) {
	real.Rclone(t)
	harness.Alone(t)
	server := real.MinIO(t)
	view := harness.NewBucket(t, server)
	b := harness.StartServer(t, server, "--log-level", "debug", "--commit-grace", "100ms")
	r := newRclone(t, b.Addr, "")
	local := filepath.Join(r.dir, "large")
	want := harness.MakeFile(t, local, 40*harness.MiB)
	for name, args := range map[string][]string{"plain": {"--inplace"}, "partial": nil} {
		from := b.Log.Mark()
		cmd := exec.Command(r.program, r.args(append([]string{"copyto", "--bwlimit=4M", local, r.remote + name}, args...)...)[1:]...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		b.Log.AwaitFrom(t, from, "command", "command=STOR")
		cmd.Process.Kill()
		cmd.Wait()
		if e := b.Log.AwaitFrom(t, from, "transfer", "command=STOR"); e["code"] != 426.0 {
			t.Errorf("%s: the upload ends with %v", name, e)
		}
		if keys := view.Keys(""); len(keys) > 0 {
			t.Errorf("%s: these were published: %q", name, keys)
		}
		r.do(append([]string{"copyto", local, "@" + name}, args...)...)
		if got := view.Sum(name); got != want || len(view.Keys("")) != 1 {
			t.Errorf("%s: S3 has %s, want %s, among %q", name, got, want, view.Keys(""))
		}
		view.Empty("")
	}
	killRcat(t, r, b)
	if keys := view.Keys(""); len(keys) > 0 {
		t.Errorf("these were published: %q", keys)
	}
}

// killRcat kills rclone when it has read 20 MiB from its standard input and S3 has some of them.
func killRcat(t *testing.T, r rclone, b *harness.Server) {
	t.Helper()
	from := b.Log.Mark()
	cmd := exec.Command(r.program, r.args("rcat", r.remote+"stream")[1:]...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(stdin, harness.Noise("stream"), 20*harness.MiB); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	stdin.Close()
	if e := b.Log.AwaitFrom(t, from, "transfer", "command=STOR"); e["code"] != 426.0 || e["bytes"].(float64) < float64(8*harness.MiB) {
		t.Errorf("the stream ends with %v", e)
	}
}
