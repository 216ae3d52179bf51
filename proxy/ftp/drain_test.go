package ftp

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// A publishing store takes some time to publish. When its context ends, it goes on for at most 30 s.
type publishing struct {
	*storetest.Memory
	needs time.Duration
	fails error // result after that time
}

func (p publishing) Put(ctx context.Context, name string, src proxy.Source, w proxy.Write) (proxy.Stored, error) {
	if _, err := io.ReadAll(&sourceReader{ctx: ctx, src: src}); err != nil {
		return proxy.Stored{}, err
	}
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	context.AfterFunc(ctx, func() { time.AfterFunc(30*time.Second, cancel) })
	select {
	case <-time.After(p.needs):
		return proxy.Stored{}, p.fails
	case <-late.Done():
		return proxy.Stored{}, late.Err()
	}
}

// An upload that is being published when the drain timeout expires gets a limited time more. The reply is that of the store.
func TestDrainDuringCommit(t *testing.T) {
	for _, c := range []struct {
		store  publishing
		aborts bool
		reply  string
		took   time.Duration
	}{
		{publishing{needs: 50 * time.Second}, false, "226 *", 50 * time.Second},
		{publishing{needs: 80 * time.Second}, false, "226 *", 80 * time.Second},
		{publishing{needs: 80 * time.Second, fails: storetest.ErrDown}, false, "451 Storage error*", 80 * time.Second},
		{publishing{needs: time.Hour}, false, "451 Server is shutting down, upload not confirmed*", 90 * time.Second},
		{publishing{needs: time.Hour}, true, "451 Server is shutting down, upload not confirmed*", 90 * time.Second},
	} {
		inBubbleWithLog(t, func(srv *Server) {
			srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) { return proxy.Account{Store: c.store}, nil }
		}, func(s *script, log *logBuffer) {
			c.store.Memory = s.store
			s.play("C> EPSV\nS> 229 *\nC> STOR a\nS> 150 *\nD= \"hello\"\nD.\nT> 1s\n! drain\nS-")
			begin := time.Now()
			if c.aborts {
				s.play("C> ABOR\nS-")
			}
			if got := <-s.replies; !matches(c.reply+"\r", got) {
				t.Errorf("publishing takes %v: reply %q, want %s", c.store.needs, got, c.reply)
			}
			if took := time.Since(begin); took < c.took-2*time.Second || took > c.took {
				t.Errorf("publishing takes %v: reply after %v, want %v", c.store.needs, took, c.took)
			}
			if errors.Is(c.store.fails, storetest.ErrDown) && levelOf(log.String(), "msg=transfer") != "WARN" {
				t.Errorf("the failed transfer is not logged as a warning:\n%s", log.String())
			}
		})
	}
}

// A slowRename is a store with a Rename that ignores the end of its context, until drainEnd is closed.
type slowRename struct {
	*storetest.Memory
	drainEnd chan struct{}
}

func (l slowRename) Rename(ctx context.Context, from, to string, replace bool) (proxy.Stored, error) {
	<-l.drainEnd
	return l.Memory.Rename(context.WithoutCancel(ctx), from, to, true)
}

// Server.DrainEnd is called when the drain timeout expires, so that the store can stop.
func TestDrainEndIsCalled(t *testing.T) {
	inBubbleWithLog(t, func(srv *Server) {
		store := slowRename{storetest.NewMemory(), make(chan struct{})}
		store.Files["/a"] = storetest.MemoryFile{}
		srv.DrainEnd = sync.OnceFunc(func() { close(store.drainEnd) })
		srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) { return proxy.Account{Store: store}, nil }
	}, func(s *script, _ *logBuffer) {
		s.play("C> RNFR a\nS> 350 *\nC> RNTO b\nT> 1s\n! drain\nS-")
		begin := time.Now()
		if got := <-s.replies; !matches("250 *\r", got) {
			t.Errorf("the reply is %q", got)
		}
		if took := time.Since(begin); took < 58*time.Second || took > time.Minute {
			t.Errorf("the reply came after %v, want a minute", took)
		}
	})
}
