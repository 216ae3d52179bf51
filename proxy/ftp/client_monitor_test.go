package ftp

import (
	"context"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// A stuckStore takes 30 s for each call while stuck is true, or until the context ends. Then ended is the cause of that.
type stuckStore struct {
	*storetest.Memory
	stuck atomic.Bool
	ended atomic.Pointer[error]
}

func (s *stuckStore) wait(ctx context.Context) error {
	if !s.stuck.Load() {
		return nil
	}
	var err error
	select {
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-time.After(30 * time.Second):
	}
	s.ended.CompareAndSwap(nil, &err)
	return err
}

func (s *stuckStore) Stat(ctx context.Context, name string) (proxy.Entry, error) {
	if err := s.wait(ctx); err != nil {
		return proxy.Entry{}, err
	}
	return s.Memory.Stat(ctx, name)
}

func (s *stuckStore) List(ctx context.Context, dir, prefix string) iter.Seq2[proxy.Entry, error] {
	return func(yield func(proxy.Entry, error) bool) {
		if err := s.wait(ctx); err != nil {
			yield(proxy.Entry{}, err)
			return
		}
		s.Memory.List(ctx, dir, prefix)(yield)
	}
}

func (s *stuckStore) Rename(ctx context.Context, from, to string, replace bool) (proxy.Stored, error) {
	if err := s.wait(ctx); err != nil {
		return proxy.Stored{}, err
	}
	return s.Memory.Rename(ctx, from, to, true)
}

func (s *stuckStore) Remove(ctx context.Context, name string) (proxy.Stored, error) {
	if err := s.wait(ctx); err != nil {
		return proxy.Stored{}, err
	}
	return s.Memory.Remove(ctx, name)
}

func (s *stuckStore) Mkdir(ctx context.Context, dir string) (proxy.Stored, error) {
	if err := s.wait(ctx); err != nil {
		return proxy.Stored{}, err
	}
	return s.Memory.Mkdir(ctx, dir)
}

func (s *stuckStore) Rmdir(ctx context.Context, dir string) (proxy.Stored, error) {
	if err := s.wait(ctx); err != nil {
		return proxy.Stored{}, err
	}
	return s.Memory.Rmdir(ctx, dir)
}

func (s *stuckStore) SetTime(ctx context.Context, name string, mtime time.Time) (proxy.Stored, error) {
	if err := s.wait(ctx); err != nil {
		return proxy.Stored{}, err
	}
	return s.Memory.SetTime(ctx, name, mtime)
}

func (s *stuckStore) Sum(ctx context.Context, name, etag, algorithm string, offset, length int64) ([]byte, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	return s.Memory.Sum(ctx, name, etag, algorithm, offset, length)
}

// waiting are all commands without a data connection that wait for the storage, with the beginning of their replies.
var waiting = map[string]string{
	"CWD d": "250", "DELE f": "250", "RNFR f": "350", "RNTO g": "250", "MKD e": "257", "RMD empty": "250", "SIZE f": "213",
	"MDTM f": "213", "MFMT 20260102030405 f": "213", "SITE UTIME 20260102030405 f": "200", "HASH f": "213", "XCRC f": "250",
	"XMD5 f": "250", "XSHA1 f": "250", "XSHA256 f": "250", "XSHA512 f": "250", "MLST f": "250-", "STAT d": "213-",
}

// whileStuck sends a command that waits for the storage, and then calls f.
func whileStuck(t *testing.T, command string, f func(*script, *stuckStore)) {
	store := new(stuckStore)
	inBubbleWithLog(t, func(srv *Server) {
		srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) { return proxy.Account{Store: store}, nil }
	}, func(s *script, _ *logBuffer) {
		store.Memory = s.store
		s.play("<= /f \"x\"\n<= /d/a \"\"\n<= /empty/ \"\"\nC> RNFR f\nS> 350 *")
		store.stuck.Store(true)
		s.play("C> " + command + "\nS-")
		f(s, store)
	})
}

// The table of commands and the tests below must agree on the commands that wait for the storage.
func TestWaitingCommands(t *testing.T) {
	tested := make(map[string]bool)
	for command := range waiting {
		verb, _ := split(command)
		tested[verb] = true
	}
	for verb, c := range commands {
		if x, alias := strings.CutPrefix(verb, "X"); alias && tested[x] || verb == "XCWD" || verb == "XMKD" || verb == "XRMD" {
			continue
		}
		if waits := c.need&storage != 0; waits != tested[verb] {
			t.Errorf("%s: flag waits is %v, but it is tested: %v", verb, waits, tested[verb])
		}
	}
}

func TestAborCancelsCommandThatWaitsForStorage(t *testing.T) {
	for command := range waiting {
		t.Run(command, func(t *testing.T) {
			whileStuck(t, command, func(s *script, store *stuckStore) {
				s.play("C> ABOR\nS> 426 *\nS> 226 *")
				if err := *store.ended.Load(); err != errAborted {
					t.Errorf("the storage's context ended with %v, want %v", err, errAborted)
				}
				store.stuck.Store(false)
				s.play("C> PWD\nS> 257 \"/\"*\nC> SIZE f\nS> 213 1")
			})
		})
	}
}

// If the control connection ends, the command is cancelled, unless another command is queued: a client that pipelines may close its
// side early.
func TestLostClientCancelsCommandThatWaitsForStorage(t *testing.T) {
	for command := range waiting {
		for _, more := range []bool{false, true} {
			t.Run(command, func(t *testing.T) {
				whileStuck(t, command, func(s *script, store *stuckStore) {
					if more {
						s.play("C> QUIT")
					}
					begin := time.Now()
					s.closeControl()
					for store.ended.Load() == nil {
						<-time.After(time.Second)
					}
					err, took := *store.ended.Load(), time.Since(begin)
					if !more && (err != errControlLost || took > time.Second) || more && err != nil {
						t.Errorf("the storage's context ended with %v after %v; other commands queued: %v", err, took, more)
					}
				})
			})
		}
	}
}

// Other commands must be answered in order, because replies do not name their command.
func TestNoopIsAnsweredAfterCommandThatWaitsForStorage(t *testing.T) {
	for command, code := range waiting {
		t.Run(command, func(t *testing.T) {
			whileStuck(t, command, func(s *script, store *stuckStore) {
				s.play("C> NOOP\nS-")
				store.stuck.Store(false) // only the first call waits
				synctest.Wait()
				s.play("T> 30s")
				last := ""
				for last != "200 OK.\r" {
					next := <-s.replies
					if last == "" && !strings.HasPrefix(next, code) {
						t.Errorf("the first reply is %q, want %s", next, code)
					}
					last = next
				}
			})
		})
	}
}
