package transfers

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestClientKills kills clients after random amounts of data: no part of a file may ever be published.
func TestClientKills(t *testing.T) {
	curl := real.Client(t, "curl")
	harness.Alone(t)
	server := real.MinIO(t)
	view := harness.NewBucket(t, server)
	b := harness.StartServer(t, server, "--log-level", "debug", "--commit-grace", "100ms")
	w, end := view.Watch()
	random := rand.New(rand.NewPCG(50, 0))
	for i := range 50 {
		name := fmt.Sprint("killed-", i)
		w.Allow(name) // nothing
		amount := random.Int64N(20*harness.MiB) + 1
		if i%5 == 0 {
			amount = random.Int64N(100*harness.KiB) + 1
		}
		from := b.Log.Mark()
		if i%2 == 0 {
			killCurl(t, b, curl, name, amount)
		} else {
			killRaw(t, b, name, amount, random.IntN(2) == 0)
		}
		if e := b.Log.AwaitFrom(t, from, "transfer", "name=/"+name); e["code"] != 426.0 && e["code"] != 425.0 {
			t.Errorf("%s, killed after %d bytes, ends with %v", name, amount, e["code"])
		}
	}
	end()
	if keys := view.Keys(""); len(keys) > 0 {
		t.Errorf("of 50 uploads that were killed, these were published: %q", keys)
	}
}

// killCurl kills curl with SIGKILL when it has sent that many bytes of a file.
func killCurl(t *testing.T, b *harness.Server, curl, name string, amount int64) {
	t.Helper()
	cmd := exec.Command(curl, "-sS", "-u", harness.User+":"+harness.Password, "-T", "-", "ftp://"+b.Addr+"/"+name)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	from := b.Log.Mark()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(stdin, harness.Noise(name), amount); err != nil {
		t.Fatal(err)
	}
	b.Log.AwaitFrom(t, from, "command", "command=STOR")
	cmd.Process.Kill()
	cmd.Wait()
	stdin.Close()
}

// killRaw closes a client's connections as the kernel does for a killed process: one after the other, with FIN.
func killRaw(t *testing.T, b *harness.Server, name string, amount int64, dataFirst bool) {
	t.Helper()
	w := b.Connect(t)
	data := w.Open("STOR %s", name)
	if _, err := io.CopyN(data, harness.Noise(name), amount); err != nil {
		t.Fatal(err)
	}
	first, second := io.Closer(w.Conn), io.Closer(data)
	if dataFirst {
		first, second = second, first
	}
	first.Close()
	second.Close()
}
