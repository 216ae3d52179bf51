package sftp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// stop makes the subsystem read nothing until start is called, and then count what it reads.
func (b *bench) stop() (start func(), count *int) {
	started, count := make(chan struct{}), new(int)
	b.srv.subsystem = func(_ *connection, _ context.Context, channel io.ReadWriter) error {
		<-started
		n, err := io.Copy(io.Discard, channel)
		*count = int(n)
		return err
	}
	return func() { close(started) }, count
}

// While a channel is not read, 2 MiB of the budget are taken for what package ssh buffers of it. They are given back when it is read.
func TestUnreadChannelTakesMemory(t *testing.T) {
	inBubble(t, func(b *bench) { b.srv.Budget = budget.New(64 << 20) }, func(b *bench) {
		start, count := b.stop()
		client := b.mustDial(clientConfig())
		channel := b.start(client)
		for _, c := range []struct{ bytes, used int64 }{{freeUnread / 2, 0}, {freeUnread, windowSize}, {1 << 20, windowSize}} {
			channel.Write(make([]byte, c.bytes))
			synctest.Wait()
			if used := b.srv.Budget.Stats().Used; used != c.used {
				t.Errorf("%d bytes are in use after %d more, want %d", used, c.bytes, c.used)
			}
		}
		start()
		synctest.Wait()
		if used := b.srv.Budget.Stats().Used; used != 0 {
			t.Errorf("%d bytes are in use after the channel was read", used)
		}
		channel.CloseWrite()
		if <-channel.ended; *count != freeUnread/2+freeUnread+1<<20 {
			t.Errorf("%d bytes arrived", *count)
		}
		client.Close()
	})
}

// A channel that ends unread gives its memory back.
func TestUnreadChannelEnds(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.srv.Budget = budget.New(64 << 20)
		b.srv.subsystem = func(_ *connection, ctx context.Context, _ io.ReadWriter) error {
			<-ctx.Done()
			return nil
		}
	}, func(b *bench) {
		client := b.mustDial(clientConfig())
		b.start(client).Write(make([]byte, 1<<20))
		b.open(client).Write(make([]byte, 1<<20)) // without a subsystem
		synctest.Wait()
		if used := b.srv.Budget.Stats().Used; used != 2*windowSize {
			t.Errorf("%d bytes are in use, want two windows", used)
		}
		client.Close()
		<-time.After(time.Second)
		if used := b.srv.Budget.Stats().Used; used != 0 {
			t.Errorf("%d bytes are in use after the connection has ended", used)
		}
	})
}

// Where the budget has no memory for a channel that is not read, its connection is not read. That goes on when the channel is read, or
// when there is memory.
func TestUnreadChannelWithoutMemory(t *testing.T) {
	for _, byMemory := range []bool{false, true} {
		inBubble(t, func(b *bench) { b.srv.Budget = budget.New(8 << 20) }, func(b *bench) {
			start, count := b.stop()
			client := b.mustDial(clientConfig())
			channel := b.start(client)
			taken := b.srv.Budget.Prefetch(4 << 20)
			written := make(chan struct{})
			go func() {
				channel.Write(make([]byte, 1<<20))
				close(written)
			}()
			synctest.Wait()
			select {
			case <-written:
				t.Error("the server reads 1 MiB without memory for it")
			default:
			}
			begin, most := time.Now(), budgetPoll/2
			if byMemory {
				most = 2 * budgetPoll
				b.srv.Budget.ReturnPrefetched(taken...)
				<-written
				start()
			} else {
				start()
				<-written
			}
			channel.CloseWrite()
			if <-channel.ended; *count != 1<<20 {
				t.Errorf("%d bytes arrived", *count)
			}
			if took := time.Since(begin); took > most {
				t.Errorf("the channel went on after %v", took)
			}
			client.Close()
		})
	}
}

// A client that takes no replies is ended 30 seconds after it took the last byte, whether it does not read the connection or keeps the
// window of a channel closed.
func TestClientThatTakesNoReplies(t *testing.T) {
	send := func(_ *connection, _ context.Context, channel io.ReadWriter) error {
		for {
			if _, err := channel.Write(make([]byte, 50_000)); err != nil {
				return err
			}
		}
	}
	for name, window := range map[string]uint32{"connection": 1 << 30, "window": 100_000} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) { b.srv.subsystem = send }, func(b *bench) {
				c := b.rawConnect()
				c.login()
				c.openSFTP(window)
				slow := 0
				if name == "connection" {
					for range 100 { // slow, but not stalled
						<-time.After(20 * time.Second)
						n, _ := c.memConn.Read(make([]byte, 10))
						slow += n
					}
				} else {
					go c.rest()
				}
				begin := time.Now()
				for len(all[event.SessionEnd](b.events)) == 0 && time.Since(begin) < time.Hour {
					<-time.After(time.Second)
				}
				if took := time.Since(begin); took < 30*time.Second || took > 62*time.Second {
					t.Errorf("the session ended after %v", took)
				}
				if e := only[event.SessionEnd](t, b.events); !errors.Is(e.Err, errClientStalled) {
					t.Errorf("the session ends with %v", e.Err)
				}
				c.Close()
			})
		})
	}
}

// While the client takes no replies, no more than 256 KiB are read of what it sends.
func TestStalledClientIsNotRead(t *testing.T) {
	inBubble(t, func(b *bench) { b.socketBuffer = 64 }, func(b *bench) { // two replies
		c := b.rawConnect()
		c.login()
		before := c.out.read()
		const size = 200_000
		go func() {
			for {
				request := c.packet(msgGlobalRequest, struct {
					Name string
					Want bool
					Data []byte `ssh:"rest"`
				}{"test", true, make([]byte, size)})
				if _, err := c.memConn.Write(request); err != nil {
					return
				}
			}
		}()
		synctest.Wait()
		if read := c.out.read() - before; read > 3*size+maxWhenStuck+size+4096 {
			t.Errorf("the server has read %d bytes", read)
		}
		c.Close()
	})
}

// Keys are exchanged anew in the middle of an upload and of a download, by either side.
func TestRekey(t *testing.T) {
	for _, c := range []struct{ server, client uint64 }{{100_000, 0}, {0, 100_000}, {70_000, 90_000}} {
		inBubble(t, func(b *bench) {
			b.srv.rekey = c.server
			b.srv.subsystem = func(_ *connection, _ context.Context, channel io.ReadWriter) error {
				data, err := io.ReadAll(channel)
				if err == nil {
					_, err = channel.Write(data)
				}
				return err
			}
		}, func(b *bench) {
			config := clientConfig()
			config.RekeyThreshold = c.client
			client := b.mustDial(config)
			channel := b.start(client)
			data := make([]byte, 1<<20)
			r := rand.New(rand.NewPCG(1, 2))
			for i := range data {
				data[i] = byte(r.Uint32())
			}
			channel.Write(data)
			channel.CloseWrite()
			got, err := io.ReadAll(channel)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("%+v: %d bytes came back, %v, want the %d that were sent", c, len(got), err, len(data))
			}
			client.Close()
		})
	}
}
