package sftp

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// A slowReader is a store whose files send their bytes only when go is closed.
type slowReader struct {
	*storetest.Memory
	proceed chan struct{}
}

func (s slowReader) Open(ctx context.Context, name string, at proxy.Range) (proxy.Reader, error) {
	r, err := s.Memory.Open(ctx, name, at)
	return pausedReader{r, s.proceed}, err
}

type pausedReader struct {
	proxy.Reader
	proceed chan struct{}
}

func (r pausedReader) Read(p []byte) (int, error) {
	<-r.proceed
	return r.Reader.Read(p)
}

// If the connection ends while CLOSE waits for a slot, the requests before it still use the handle.
func TestConnectionEndsBeforeClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		proceed, events := make(chan struct{}), &recorder{}
		c := newClient(t, func(srv *Server, a *proxy.Account) {
			m := a.Store.(*storetest.Memory)
			m.Files["/f"] = storetest.MemoryFile{Name: "/f", Data: make([]byte, 1000)}
			a.Store, srv.Observer = slowReader{m, proceed}, events
		})
		body := cursor(c.await(c.request(packet.Open, "f", packet.FlagRead, 0)).body)
		h := body.text()
		for i := range maxWaiting {
			c.request(packet.Read, h, int64(i), 10)
		}
		c.request(packet.Close, h)
		synctest.Wait()
		c.served.socket.end(errClientClosed)
		synctest.Wait()
		close(proceed)
		c.close()
		if _, transfers := c.served.srv.sessions().Running(); transfers != 0 {
			t.Errorf("%d transfers run after the end of the connection", transfers)
		}
		if panics := all[event.Panic](events); len(panics) > 0 {
			t.Errorf("%v", panics[0].Err)
		}
		if ends := all[event.TransferEnd](events); len(ends) != 1 {
			t.Errorf("%d transfers have ended", len(ends))
		}
	})
}

// A file that is published without a WRITE has its event, although the user has as many transfers as the limit allows.
func TestEmptyFileAtLimitOfTransfers(t *testing.T) {
	events := &recorder{}
	c := newClient(t, func(srv *Server, a *proxy.Account) { srv.Observer = events })
	c.served.entry.SetLimits(proxy.Limits{Transfers: 1})
	h := c.startUpload()
	c.expect(c.request(packet.Close, c.create("empty")), "OK")
	if end := only[event.TransferEnd](t, events); end.Name != "/empty" || end.Err != nil || end.Stored.Key != "/empty" {
		t.Errorf("the event of the empty file is %+v", end)
	}
	c.expect(c.request(packet.Close, h), "OK")
	c.close()
}
