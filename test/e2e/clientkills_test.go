package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestClientKills kills clients after random amounts, and no part of a file is ever published.
func TestClientKills(t *testing.T) {
	curl := real.Client(t, "curl")
	server := real.MinIO(t)
	view := newBucket(t, server)
	b := startBridge(t, server, "--log-level", "debug", "--commit-grace", "100ms")
	w, end := view.watch()
	random := rand.New(rand.NewPCG(50, 0))
	for i := range 50 {
		name := fmt.Sprint("killed-", i)
		w.allow(name) // nothing
		amount := random.Int64N(20*mib) + 1
		if i%5 == 0 {
			amount = random.Int64N(100*kib) + 1
		}
		from := b.log.mark()
		if i%2 == 0 {
			killCurl(t, b, curl, name, amount)
		} else {
			killRaw(t, b, name, amount, random.IntN(2) == 0)
		}
		if e := b.log.awaitFrom(t, from, "transfer", "name=/"+name); e["code"] != 426.0 && e["code"] != 425.0 {
			t.Errorf("%s, killed after %d bytes, ends with %v", name, amount, e["code"])
		}
	}
	end()
	if keys := view.keys(""); len(keys) > 0 {
		t.Errorf("of 50 uploads that were killed, these were published: %q", keys)
	}
}

// killCurl kills curl with SIGKILL when it has sent so much of a file.
func killCurl(t *testing.T, b *bridge, curl, name string, amount int64) {
	t.Helper()
	cmd := exec.Command(curl, "-sS", "-u", user+":"+password, "-T", "-", "ftp://"+b.addr+"/"+name)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	from := b.log.mark()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(stdin, noise(name), amount); err != nil {
		t.Fatal(err)
	}
	b.log.awaitFrom(t, from, "command", "command=STOR")
	cmd.Process.Kill()
	cmd.Wait()
	stdin.Close()
}

// killRaw ends a client's connections as the kernel does for a process that is killed: one after the other, with a FIN.
func killRaw(t *testing.T, b *bridge, name string, amount int64, dataFirst bool) {
	t.Helper()
	w := b.connect(t)
	data := w.open("STOR %s", name)
	if _, err := io.CopyN(data, noise(name), amount); err != nil {
		t.Fatal(err)
	}
	first, second := io.Closer(w.conn), io.Closer(data)
	if dataFirst {
		first, second = second, first
	}
	first.Close()
	second.Close()
}
