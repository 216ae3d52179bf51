package sftp

import (
	"context"
	"io"
	"testing"
	"testing/synctest"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
)

// A panickingStore panics in Put after Commit.
type panickingStore struct{ proxy.Store }

func (s panickingStore) Put(ctx context.Context, name string, src proxy.Source, w proxy.Write) (proxy.Stored, error) {
	for {
		run, err := src.Next(ctx)
		if err == io.EOF {
			break
		} else if err != nil {
			return proxy.Stored{}, err
		}
		io.Copy(io.Discard, run.New)
	}
	if err := src.Commit(); err != nil {
		return proxy.Stored{}, err
	}
	panic("a bug in the store")
}

// A store that panics after Commit has not stored the file: CLOSE is no success.
func TestPanicAfterCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := &recorder{}
		c := newClient(t, func(srv *Server, a *proxy.Account) { srv.Observer, a.Store = events, panickingStore{a.Store} })
		h := cursor(c.await(c.request(packet.Open, "f", packet.FlagWrite|packet.FlagCreate|packet.FlagTrunc, 0)).body)
		handle := h.text()
		c.await(c.request(packet.Write, handle, int64(0), "data"))
		id := c.request(packet.Close, handle)
		for a := range c.answers { // up to the end of the session
			if a.id == id && a.String() == "OK" {
				t.Errorf("CLOSE is answered %v", a)
			}
		}
		c.close()
		if e := only[event.TransferEnd](t, events); e.Err == nil {
			t.Errorf("the transfer is reported as complete: %+v", e)
		}
	})
}
