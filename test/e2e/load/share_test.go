package load

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestSlowUploadsOfOneUser: while 60 uploads of one user stand still 1 MiB short of a part, with memory for 9 parts, an upload of another
// user is stored. Afterwards each of the 60 is stored, too.
func TestSlowUploadsOfOneUser(t *testing.T) {
	if testing.Short() {
		t.Skip("moves half a GiB")
	}
	server := real.MinIO(t)
	view := harness.NewBucket(t, server)
	addr := real.FreeAddr(t)
	b := harness.Start(t, addr, server.Env(), "serve", "--ftp", addr, "--endpoint", server.Endpoint, "--bucket", harness.BucketName,
		"--users", twoUsers(t), "--memory", "64MiB", "--max-sessions-per-ip", "1000", "--max-sessions-per-user", "1000",
		"--stall-timeout", "1m", "--log-format", "json")
	var sent atomic.Int64
	var all sync.WaitGroup
	release := make(chan struct{})
	for i := range 60 {
		w := connectAs(t, b, "many")
		data := w.Open("STOR slow-%d", i)
		all.Go(func() {
			content := io.TeeReader(io.LimitReader(harness.Noise("slow"), 7*harness.MiB), counter{&sent})
			if _, err := io.Copy(data, content); err != nil {
				t.Error(err)
			}
			<-release
			data.CloseWrite()
			if code, text, err := w.Conn.ReadResponse(0); code != 226 {
				t.Errorf("slow upload %d: %d %s, %v", i, code, text, err)
			}
		})
	}
	awaitStandstill(&sent)
	other := connectAs(t, b, "other")
	other.Store("other", io.LimitReader(harness.Noise("other"), 20*harness.MiB))
	if got, want := view.Sum("other"), harness.SumOf(t, io.LimitReader(harness.Noise("other"), 20*harness.MiB)); got != want {
		t.Errorf("S3 has %s, want %s", got, want)
	}
	close(release)
	all.Wait()
}

// A counter counts the bytes that are written to it.
type counter struct{ bytes *atomic.Int64 }

func (c counter) Write(p []byte) (int, error) {
	c.bytes.Add(int64(len(p)))
	return len(p), nil
}

// awaitStandstill waits until a number has not changed for two seconds.
func awaitStandstill(n *atomic.Int64) {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for last := int64(-1); last != n.Load(); <-tick.C {
		last = n.Load()
	}
}

// twoUsers writes a users file with the users "many" and "other".
func twoUsers(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	password, name := filepath.Join(dir, "password"), filepath.Join(dir, "users.yaml")
	text := fmt.Sprintf("users:\n  - {name: many, password-file: %[1]q}\n  - {name: other, password-file: %[1]q}\n", password)
	if err := errors.Join(os.WriteFile(password, []byte(harness.Password), 0o600), os.WriteFile(name, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	return name
}

// connectAs opens a control connection and logs in.
func connectAs(t *testing.T, b *harness.Server, user string) *harness.Client {
	t.Helper()
	conn, err := textproto.Dial("tcp", b.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	host, _, err := net.SplitHostPort(b.Addr)
	if err != nil {
		t.Fatal(err)
	}
	c := &harness.Client{T: t, Conn: conn, Host: host}
	c.Expect(220)
	c.Cmd(331, "USER %s", user)
	c.Cmd(230, "PASS %s", harness.Password)
	c.Cmd(200, "TYPE I")
	return c
}
