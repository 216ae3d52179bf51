package sftp

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/proxy/event"
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

// packet returns a request that is not sent, with the next ID.
func (c *client) packet(kind packet.Type, values ...any) []byte {
	c.id++
	body := append([]byte{byte(kind)}, fields(append([]any{int(c.id)}, values...)...)...)
	return append(fields(len(body)), body...)
}

// startUpload creates the file f, and writes to it. It returns the handle.
func (c *client) startUpload() (handle string) {
	c.t.Helper()
	h := c.create("f")
	c.expect(c.request(packet.Write, h, int64(0), "hello world"), "OK")
	return h
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

// withStore returns a change of a bench whose user gets the store, and 64 MiB of memory.
func withStore(store proxy.Store) func(*bench) {
	return func(b *bench) {
		b.srv.Budget = budget.New(64 << 20)
		b.srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			a := b.account()
			a.User, a.Store = "user", store
			return a, nil
		}
	}
}

// checkBroken checks that an upload was broken, and holds no memory.
func (b *bench) checkBroken() {
	b.Helper()
	end := only[event.TransferEnd](b.T, b.events)
	if !errors.Is(end.Err, errStalled) || end.Cause != event.CauseClient {
		b.Errorf("the upload ends with %v", end.Err)
	}
	if s := b.srv.Budget.Stats(); s.Used != 0 {
		b.Errorf("%d bytes of memory are in use after the end of the upload", s.Used)
	}
}

// A rawChannel is the channel 0 of a rawClient.
type rawChannel struct {
	*rawClient
	unread []byte
}

func (c *rawChannel) Write(p []byte) (int, error) {
	c.send(msgChannelData, uint32s(0), struct{ Data []byte }{p})
	return len(p), nil
}

func (c *rawChannel) Read(p []byte) (n int, err error) {
	for len(c.unread) == 0 {
		m, err := c.next()
		if err != nil {
			return 0, err
		}
		if m[0] == msgChannelData {
			c.unread = m[9:]
		}
	}
	n = copy(p, c.unread)
	c.unread = c.unread[n:]
	return n, nil
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
		withStore(store)(b)
		b.srv.Keep = 1
	}, func(b *bench) {
		client := b.mustDial(clientConfig())
		defer client.Close()
		initialize(b, b.start(client)).uploadToBusyStore(store)
	})
}

// While a WRITE to one file waits for a busy store, the client cannot send those to another one, which has not stalled.
func TestNoStallBehindAnotherFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := busyStore{storetest.NewMemory()}
		c := newClient(t, func(srv *Server, a *proxy.Account) { srv.Keep, a.Store = 1, store })
		defer c.close()
		first, second := c.create("f"), c.create("g")
		c.expect(c.request(packet.Write, first, int64(0), ""), "OK")
		slow := c.request(packet.Write, second, int64(0), "hello")
		ids := []uint32{c.request(packet.Write, first, int64(0), "hello"), c.request(packet.Close, first), c.request(packet.Close, second)}
		for _, id := range append(ids, slow) {
			c.expect(id, "OK")
		}
	})
}

// A client that sends the data of a WRITE slowly has not stalled.
func TestSlowWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, func(srv *Server, _ *proxy.Account) { srv.Keep = 1 })
		defer c.close()
		h := c.create("f")
		data := c.packet(packet.Write, h, int64(0), "hello world")
		for i := range data {
			<-time.After(5*time.Minute - 1)
			c.conn.Write(data[i : i+1])
		}
		c.expect(c.id, "OK")
		<-time.After(5*time.Minute - 1)
		c.expect(c.request(packet.Write, h, int64(11), "!"), "OK")
	})
}

// A client that stops in the middle of a packet has stalled: the server holds memory for the packet and the files that are open, and
// keep-alives of the connection would hold it forever. The channel ends, others go on.
func TestStallInPacket(t *testing.T) {
	for name, size := range map[string]int{"length": 2, "type": 5, "handle": 15, "offset": 20, "data": 40, "STAT": 20} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, withStore(storetest.NewMemory()), func(b *bench) {
				client := b.mustDial(clientConfig())
				defer client.Close()
				channel, other := b.start(client), b.start(client)
				c := initialize(b, channel)
				begun := c.packet(packet.Write, c.startUpload(), int64(11), strings.Repeat("x", 100))
				if name == "STAT" {
					begun = c.packet(packet.Stat, strings.Repeat("x", 100))
				}
				c.conn.Write(begun[:size])
				for range 4 {
					<-time.After(time.Minute)
					client.SendRequest("keepalive@openssh.com", true, nil)
				}
				if b.srv.Budget.Stats().Used == 0 {
					t.Error("the upload is broken before the timeout")
				}
				<-time.After(time.Minute - 1)
				select {
				case <-channel.ended:
					t.Error("the channel ends before the timeout")
				case <-time.After(2):
				}
				<-channel.ended
				synctest.Wait()
				b.checkBroken()
				initialize(b, other)
			})
		})
	}
}

// If the client does not close its side of the channel, the connection ends.
func TestStallInPacketWithoutClose(t *testing.T) {
	inBubble(t, withStore(storetest.NewMemory()), func(b *bench) {
		raw := b.rawConnect()
		raw.login()
		raw.openSFTP(1 << 20)
		c := initialize(b, &rawChannel{rawClient: raw})
		begun := c.packet(packet.Write, c.startUpload(), int64(11), strings.Repeat("x", 100))
		c.conn.Write(begun[:40])
		for range 5 {
			<-time.After(time.Minute)
			raw.Write(raw.global(1))
		}
		<-time.After(lingerTimeout + time.Second)
		synctest.Wait()
		b.checkBroken()
		if e := only[event.SessionEnd](b.T, b.events); e.Err != errPacketStalled {
			t.Errorf("the session ends with %v", e.Err)
		}
		raw.Close()
	})
}
