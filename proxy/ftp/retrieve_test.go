package ftp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// An openStore is a store with an Open of the test.
type openStore struct {
	*storetest.Memory
	body func(ctx context.Context) io.Reader
}

func (o openStore) Open(ctx context.Context, _ string, _ proxy.Range) (proxy.Reader, error) {
	return testReader{o.body(ctx)}, nil
}

type testReader struct{ io.Reader }

func (testReader) Close() error         { return nil }
func (testReader) Entry() proxy.Entry   { return proxy.Entry{} }
func (testReader) Stored() proxy.Stored { return proxy.Stored{} }

// withBody plays a transcript against a server with a store that opens files with this body.
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

// A download that waits for the store during ABOR ends at once, and writes no more.
func TestAbortOfDownloadThatWaitsForStorage(t *testing.T) {
	withBody(t, func(ctx context.Context) io.Reader {
		late := readerFunc(func(p []byte) (int, error) {
			<-ctx.Done()
			<-time.After(time.Millisecond) // so that the abort is complete
			return copy(p, "late"), nil
		})
		return io.MultiReader(bytes.NewReader([]byte("hello")), late)
	}, openRetr+"C> ABOR\nS> 426 Transfer aborted.\nS> 226 *\nD!")
}

func TestPanicInDownloadResetsDataConnection(t *testing.T) {
	withBody(t, func(context.Context) io.Reader {
		return io.MultiReader(bytes.NewReader([]byte("hello")), readerFunc(func([]byte) (int, error) { panic("a bug") }))
	}, openRetr+"D!\nS> 421 *\nS.\n2\nC> NOOP\nS> 200 *")
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// If the file is replaced during the download, the client gets 426, not the reply for a failed storage, and the data connection is reset,
// so that the client does not take the file as complete.
func TestFileReplacedDuringDownload(t *testing.T) {
	withBody(t, func(context.Context) io.Reader {
		stale := fmt.Errorf("read: %w", proxy.ErrStale)
		return io.MultiReader(bytes.NewReader([]byte("hello")), readerFunc(func([]byte) (int, error) { return 0, stale }))
	}, openRetr+"D!\nS> 426 File changed during transfer, transfer incomplete.")
}
