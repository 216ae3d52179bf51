package ftp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// An openStore has an Open of its own.
type openStore struct {
	*memStore
	body func(ctx context.Context) io.Reader
}

func (o openStore) Open(ctx context.Context, _ string, _ proxy.Range) (proxy.Reader, error) {
	return memBody{Reader: o.body(ctx)}, nil
}

func withBody(t *testing.T, body func(context.Context) io.Reader, text string) {
	t.Helper()
	inBubble(t, func(s *script) {
		s.srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) {
			return proxy.Account{Store: openStore{s.store, body}}, nil
		}
		s.play(text)
	})
}

const openRetr = "C> EPSV\nS> 229 *\nC> RETR a\nS> 150 *\nD= \"hello\"\n"

// TestAbortBetweenWrites: a download that waits for the store when the abort comes writes no more, and ends at once.
func TestAbortBetweenWrites(t *testing.T) {
	withBody(t, func(ctx context.Context) io.Reader {
		late := readerFunc(func(p []byte) (int, error) {
			<-ctx.Done()
			<-time.After(time.Millisecond) // for all that the abort sets off
			return copy(p, "late"), nil
		})
		return io.MultiReader(bytes.NewReader([]byte("hello")), late)
	}, openRetr+"C> ABOR\nS> 426 Transfer aborted.\nS> 226 *\nD!")
}

// TestPanicInDownload: a panic of the store in the middle of a download resets its data connection.
func TestPanicInDownload(t *testing.T) {
	withBody(t, func(context.Context) io.Reader {
		return io.MultiReader(bytes.NewReader([]byte("hello")), readerFunc(func([]byte) (int, error) { panic("a mistake") }))
	}, openRetr+"D!\nS> 421 *\nS.\n2\nC> NOOP\nS> 200 *")
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestReplacedInDownload: a file that is another before all of it was sent is told from a storage that fails, and the
// data connection ends so that the client cannot take what it has for all.
func TestReplacedInDownload(t *testing.T) {
	withBody(t, func(context.Context) io.Reader {
		stale := fmt.Errorf("read: %w", proxy.ErrStale)
		return io.MultiReader(bytes.NewReader([]byte("hello")), readerFunc(func([]byte) (int, error) { return 0, stale }))
	}, openRetr+"D!\nS> 426 File changed during transfer, transfer incomplete.")
}
