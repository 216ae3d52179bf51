package sftp

import (
	"testing"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
)

// Open directories take memory of the budget, apart from the first ones, and give it back. Where it has none, OPENDIR is refused.
func TestOpenDirectoriesTakeMemory(t *testing.T) {
	const size = 64 << 20
	c := newClient(t, func(srv *Server, _ *proxy.Account) { srv.Budget = budget.New(size) })
	used := func() int { return int(c.served.srv.Budget.Stats().Used) }
	var handles []string
	for len(handles) <= maxHandles {
		a := c.await(c.request(packet.OpenDir, "/"))
		if a.kind != 102 {
			if want := "FAILURE No transfer buffer available, try again later."; a.String() != want {
				t.Errorf("OPENDIR with %d open directories: %v, want %s", len(handles), a, want)
			}
			break
		}
		body := cursor(a.body)
		handles = append(handles, body.text())
		if want := max(0, len(handles)-freeDirectories) * directoryMemory; used() != want {
			t.Fatalf("%d open directories hold %d bytes, want %d", len(handles), used(), want)
		}
	}
	if want := freeDirectories + size/2/directoryMemory; len(handles) != want {
		t.Errorf("%d directories can be open, want %d", len(handles), want)
	}
	if got := c.await(c.request(packet.OpenDir, "missing")).String(); got != "FAILURE No transfer buffer available, try again later." {
		t.Errorf("OPENDIR of a missing directory: %s", got)
	}
	for _, h := range handles[:len(handles)/2] {
		c.expect(c.request(packet.Close, h), "OK")
	}
	for range 2 * maxHandles {
		c.expect(c.request(packet.OpenDir, "missing"), "NO_SUCH_FILE No such file or directory.")
	}
	c.close()
	if n := c.served.directories.Load(); used() != 0 || n != 0 {
		t.Errorf("%d bytes and %d directories are left", used(), n)
	}
}
