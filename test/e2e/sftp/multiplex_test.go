package sftp

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestMultiplexed: eight scp at once are channels of one connection, with ssh's ControlMaster. All content arrives.
func TestMultiplexed(t *testing.T) {
	real.Client(t, "scp")
	s3 := real.MinIO(t)
	bucket := harness.NewBucket(t, s3)
	b := start(t, s3)
	dir := t.TempDir()
	local := filepath.Join(dir, "file")
	sum, u := harness.MakeFile(t, local, 5*harness.MiB), b.upload(t, b.addr, local, "")
	control := []string{"-o", "ControlPath=" + filepath.Join(dir, "control")}
	master := exec.Command("ssh", append(append(u.sshOptions(), control...), "-o", "ControlMaster=yes", "-N", "-p", u.port, u.target(""))...)
	if err := master.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		master.Process.Kill()
		master.Wait()
	})
	harness.Until(t, "the control socket", func() bool { _, err := os.Stat(filepath.Join(dir, "control")); return err == nil })
	bucket.PutFile("there", local)
	var all sync.WaitGroup
	for i := range 8 {
		name := string(rune('a' + i))
		from, to := local, u.target("/"+name)
		if i%2 == 1 {
			from, to = u.target("/there"), filepath.Join(dir, name)
		}
		all.Go(func() {
			out, err := harness.Try(t, dir, "", append(append([]string{"scp", "-P", u.port}, control...), append(u.sshOptions(), from, to)...)...)
			if err != nil {
				t.Errorf("%s: %v: %s", name, err, out)
			}
		})
	}
	all.Wait()
	for i := range 8 {
		name := string(rune('a' + i))
		if i%2 == 0 && bucket.Sum(name) != sum || i%2 == 1 && harness.SumFile(t, filepath.Join(dir, name)) != sum {
			t.Errorf("%s has another content", name)
		}
	}
	if n := len(b.Log.Entries(0, "login", "protocol=sftp")); n != 1 {
		t.Errorf("%d logins, want 1", n)
	}
}
