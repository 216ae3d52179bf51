package ftp

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A publishing store needs some time for its last request, and knows half a minute after its context what became of it.
type publishing struct {
	*memStore
	needs time.Duration
	fails error // definitely
}

func (p publishing) Put(ctx context.Context, name string, src proxy.Source, w proxy.Write) (proxy.Stored, error) {
	if _, err := io.ReadAll(&allOf{ctx: ctx, src: src}); err != nil {
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

// An upload that is being published when the drain time-out is over has a bounded time more, and its reply says the truth.
func TestDrainDuringACommit(t *testing.T) {
	for _, c := range []struct {
		store  publishing
		aborts bool
		reply  string
		took   time.Duration
	}{
		{publishing{needs: 50 * time.Second}, false, "226 *", 50 * time.Second},
		{publishing{needs: 80 * time.Second}, false, "226 *", 80 * time.Second},
		{publishing{needs: 80 * time.Second, fails: errDown}, false, "451 Storage error*", 80 * time.Second},
		{publishing{needs: time.Hour}, false, "451 Server is shutting down, upload not confirmed*", 90 * time.Second},
		{publishing{needs: time.Hour}, true, "451 Server is shutting down, upload not confirmed*", 90 * time.Second},
	} {
		logging(t, func(srv *Server) {
			srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) { return proxy.Account{Store: c.store}, nil }
		}, func(s *script, log *safeBuffer) {
			c.store.memStore = s.store
			s.play("C> EPSV\nS> 229 *\nC> STOR a\nS> 150 *\nD= \"hello\"\nD.\nT> 1s\n! drain\nS-")
			begin := time.Now()
			if c.aborts {
				s.play("C> ABOR\nS-")
			}
			if got := <-s.replies; !wild(c.reply+"\r", got) {
				t.Errorf("%v: %q, want %s", c.store.needs, got, c.reply)
			}
			if took := time.Since(begin); took < c.took-2*time.Second || took > c.took {
				t.Errorf("%v: the reply came after %v, want %v", c.store.needs, took, c.took)
			}
			if errors.Is(c.store.fails, errDown) && levelOf(log.String(), "msg=transfer") != "WARN" {
				t.Errorf("logged as %s", log.String())
			}
		})
	}
}

// A lasting store goes on with a rename after its context has ended, until it is told that the server must end.
type lasting struct {
	*memStore
	told chan struct{}
}

func (l lasting) Rename(ctx context.Context, from, to string, replace bool) (proxy.Stored, error) {
	<-l.told
	return l.memStore.Rename(context.WithoutCancel(ctx), from, to, true)
}

// The store is told when the drain time-out is over.
func TestDrainEndIsTold(t *testing.T) {
	logging(t, func(srv *Server) {
		store := lasting{newMemStore(), make(chan struct{})}
		store.files["/a"] = memFile{}
		srv.DrainEnd = sync.OnceFunc(func() { close(store.told) })
		srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) { return proxy.Account{Store: store}, nil }
	}, func(s *script, _ *safeBuffer) {
		s.play("C> RNFR a\nS> 350 *\nC> RNTO b\nT> 1s\n! drain\nS-")
		begin := time.Now()
		if got := <-s.replies; !wild("250 *\r", got) {
			t.Errorf("the reply is %q", got)
		}
		if took := time.Since(begin); took < 58*time.Second || took > time.Minute {
			t.Errorf("the reply came after %v, want a minute", took)
		}
	})
}
