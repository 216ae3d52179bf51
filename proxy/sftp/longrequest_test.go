package sftp

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// A slowRemover removes nothing before proceed is closed.
type slowRemover struct {
	*storetest.Memory
	proceed chan struct{}
}

func (s slowRemover) Remove(ctx context.Context, name string) (proxy.Stored, error) {
	<-s.proceed
	return s.Memory.Remove(ctx, name)
}

// heap returns the bytes in use.
func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// Requests that wait for an earlier one hold no more memory than they need, however long their packets are.
func TestLongRequestsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		proceed := make(chan struct{})
		c := newClient(t, func(srv *Server, a *proxy.Account) {
			m := a.Store.(*storetest.Memory)
			m.Files["/f"] = storetest.MemoryFile{Name: "/f"}
			a.Store = slowRemover{m, proceed}
		})
		c.request(packet.Remove, "f")
		const size = 200 << 10
		before := heap()
		for range maxWaiting/2 - 1 {
			c.request(packet.Extended, "statvfs@openssh.com", "f", make([]byte, size))
			c.request(packet.Extended, "check-file-name", "f", "md5"+strings.Repeat(",x", size/2), int64(0), int64(0), 0)
		}
		synctest.Wait()
		if held := heap() - before; held > maxWaiting*size/4 {
			t.Errorf("%d requests of %d bytes hold %d bytes", maxWaiting-2, size, held)
		}
		close(proceed)
		c.close()
	})
}

// A path that is too long is refused at once, since requests keep it while they wait. The log gets only a part of it.
func TestLongPathIsRefused(t *testing.T) {
	events := &recorder{}
	c := newClient(t, func(srv *Server, _ *proxy.Account) { srv.Observer = events })
	for _, kind := range []packet.Type{packet.Stat, packet.RealPath} {
		if got := c.await(c.request(kind, strings.Repeat("./", maxPath/2-1)+".")); got.kind == 101 {
			t.Errorf("%v of a long path: %v", kind, got)
		}
		c.expect(c.request(kind, strings.Repeat("./", maxPath/2)+"."), "FAILURE File name not allowed.")
	}
	c.await(c.request(packet.Extended, strings.Repeat("x", 10_000)))
	for _, e := range all[event.CommandFailed](events) {
		if len(e.Name) > maxPath || len(e.Command) > maxLoggedCommand {
			t.Errorf("the event of %.50q has %d and %d bytes", e.Command, len(e.Command), len(e.Name))
		}
	}
	c.close()
}
