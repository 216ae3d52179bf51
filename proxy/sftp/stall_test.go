package sftp

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// A busyStore takes no bytes for 20 minutes.
type busyStore struct{ *storetest.Memory }

func (s busyStore) Put(ctx context.Context, name string, src proxy.Source, w proxy.Write) (proxy.Stored, error) {
	if _, asked := src.(*question); !asked {
		<-time.After(20 * time.Minute)
	}
	return s.Memory.Put(ctx, name, src, w)
}

// create opens a new file, and returns its handle.
func (c *client) create(name string) (handle string) {
	c.t.Helper()
	body := cursor(c.await(c.request(packet.Open, name, packet.FlagWrite|packet.FlagCreate|packet.FlagTrunc, 0)).body)
	return body.text()
}

// expect checks the answer to a request.
func (c *client) expect(id uint32, want string) {
	c.t.Helper()
	if got := c.await(id).String(); got != want {
		c.t.Fatalf("request %d: %s, want %s", id, got, want)
	}
}

// uploadToBusyStore uploads a file to a busyStore. Before each request, the client waits until shortly before the stall timeout.
func (c *client) uploadToBusyStore(s busyStore) {
	begin := time.Now()
	h := c.create("f")
	for i, data := range []string{"hello ", "world"} {
		c.expect(c.request(packet.Write, h, int64(6*i), data), "OK")
		<-time.After(5*time.Minute - 1)
	}
	c.expect(c.request(packet.Close, h), "OK")
	if took := time.Since(begin); took != 30*time.Minute-2 || string(s.Files["/f"].Data) != "hello world" {
		c.t.Errorf("after %v, the file has %q", took, s.Files["/f"].Data)
	}
}

// While a WRITE waits for a busy store, the client has not stalled.
func TestNoStallWhileStoreIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := busyStore{storetest.NewMemory()}
		c := newClient(t, func(srv *Server, a *proxy.Account) { srv.Keep, a.Store = 1, store })
		defer c.close()
		c.uploadToBusyStore(store)
	})
}

// While a WRITE waits for a busy store, its session is not idle.
func TestNotIdleWhileStoreIsBusy(t *testing.T) {
	store := busyStore{storetest.NewMemory()}
	inBubble(t, func(b *bench) {
		b.srv.Keep = 1
		b.srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			a := b.account()
			a.Store = store
			return a, nil
		}
	}, func(b *bench) {
		client := b.mustDial(clientConfig())
		defer client.Close()
		initialize(b, b.start(client)).uploadToBusyStore(store)
	})
}

// A client that sends the data of a WRITE slowly has not stalled. One that stops in the middle of them has.
func TestStallInsideWrite(t *testing.T) {
	for pause, want := range map[time.Duration]string{
		5*time.Minute - 1: "OK",
		5*time.Minute + 1: "FAILURE No data came in time, the upload can be resumed.",
	} {
		synctest.Test(t, func(t *testing.T) {
			c := newClient(t, func(srv *Server, _ *proxy.Account) { srv.Keep = 1 })
			defer c.close()
			h := c.create("f")
			c.id++
			data := "hello world"
			body := append([]byte{byte(packet.Write)}, fields(int(c.id), h, int64(0), data)...)
			c.conn.Write(append(fields(len(body)), body[:len(body)-len(data)]...))
			for i := range data {
				<-time.After(pause)
				c.conn.Write([]byte(data[i : i+1]))
			}
			c.expect(c.id, want)
			c.expect(c.request(packet.Close, h), want)
		})
	}
}
