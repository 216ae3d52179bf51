package ftp

import (
	"cmp"
	"context"
	"errors"
	"io"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/ftp/modez"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// A putStore is a store with a Put of the test.
type putStore struct {
	*storetest.Memory
	put func(ctx context.Context, name string, r io.Reader, w proxy.Write) error
}

func (p putStore) Put(ctx context.Context, name string, src proxy.Source, w proxy.Write) (proxy.Stored, error) {
	return proxy.Stored{}, p.put(ctx, name, &sourceReader{ctx: ctx, src: src}, w)
}

// A sourceReader reads the new bytes of a source. At their end it calls Commit, and returns its error, unless noCommit is true.
type sourceReader struct {
	ctx      context.Context
	src      proxy.Source
	run      io.Reader
	noCommit bool
}

func (a *sourceReader) Read(p []byte) (int, error) {
	if a.run == nil {
		run, err := a.src.Next(a.ctx)
		if err != nil {
			return 0, err
		}
		a.run = run.New
	}
	n, err := a.run.Read(p)
	if err == io.EOF && !a.noCommit {
		if commitErr := a.src.Commit(); commitErr != nil {
			err = commitErr
		}
	}
	return n, err
}

// withPut plays a transcript against a server with a store that has this Put.
func withPut(t *testing.T, put func(context.Context, string, io.Reader, proxy.Write) error, text string) {
	t.Helper()
	inBubble(t, func(s *script) {
		s.srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) {
			return proxy.Account{Store: putStore{s.store, put}, Compat: s.compat}, nil
		}
		s.play(text)
	})
}

const (
	begin = "C> EPSV\nS> 229 *\nC> STOR a\nS> 150 *\n"
	openA = begin + "D= \"hello\"\n"
	openZ = "C> MODE Z\nS> 200 *\n! zlib\n" + openA
)

// uploads are transcripts of uploads of "hello" that end in different ways, and the errors of the reader for Put.
var uploads = []struct {
	name, text string
	want       error
}{
	{"complete", openA + "D.\nS> 226 *", io.EOF},
	{"complete, as announced", "C> ALLO 5\nS> 200 *\n" + openA + "D.\nS> 226 *", io.EOF},
	{"complete, in text", "C> TYPE A\nS> 200 *\n" + openA + "D.\nS> 226 *", io.EOF},
	{"complete, in MODE Z", openZ + "D.\nS> 226 *", io.EOF},
	{"truncated, in MODE Z", openZ + "D~\nS> 426 *", modez.ErrTruncated},
	{"reset, in MODE Z", openZ + "D!\nS> 426 *", syscall.ECONNRESET},
	{"uncompressed, in MODE Z", "C> MODE Z\nS> 200 *\n" + openA + "D.\nS> 426 *", modez.ErrNotZlib},
	{"short, in MODE Z", "! allo binding\nC> ALLO 6\nS> 200 *\n" + openZ + "D.\nS> 426 *", errTooShort},
	{"control lost, in MODE Z", openZ + "C.\nD.\nT> 1s", errControlLost},
	{"short", "! allo binding\nC> ALLO 6\nS> 200 *\n" + openA + "D.\nS> 426 *", errTooShort},
	{"shorter than reserved", "C> ALLO 6\nS> 200 *\n" + openA + "D.\nT> 2s\nS> 226 *", io.EOF},
	{"shorter than reserved, control lost", "C> ALLO 6\nS> 200 *\n" + openA + "D.\nT> 1999ms\nC.\nT> 1s", errControlLost},
	{"shorter than a hint", "! allo hint\nC> ALLO 6\nS> 200 *\n" + openA + "D.\nS> 226 *", io.EOF},
	{"quit", "! grace 1s\n" + openA + "D.\nT> 999ms\nC> QUIT\nC.\nT> 1s", io.EOF},
	{"quit, in text", "! grace 1s\nC> TYPE A\nS> 200 *\n" + openA + "C> QUIT\nC.\nD.\nT> 1s", io.EOF},
	{"quit, in MODE Z", "! grace 1s\n" + openZ + "C> QUIT\nC.\nD.\nT> 1s", io.EOF},
	{"quit before 150", "! grace 1s\nC> EPSV\nS> 229 *\nC= \"STOR a\\r\\nQUIT\\r\\n\"\nS> 150 *\nD= \"hello\"\nC.\nD.\nT> 1s", errControlLost},
	{"reset", openA + "D!\nS> 426 *", syscall.ECONNRESET},
	{"reset, in text", "C> TYPE A\nS> 200 *\n" + openA + "D!\nS> 426 *", syscall.ECONNRESET},
	{"aborted", openA + "C> ABOR\nS> 426 *\nS> 226 *", errAny},
	{"aborted in the grace period", "! grace 1s\n" + openA + "D.\nT> 999ms\nC> ABOR\nS> 426 *\nS> 226 *", errAborted},
	{"control lost", openA + "C.\nD.\nT> 1s", errControlLost},
	{"control lost in the grace period", "! grace 1s\n" + openA + "D.\nT> 999ms\nC.\nT> 1s", errControlLost},
	{"control lost, in text", "C> TYPE A\nS> 200 *\n" + openA + "C.\nD.\nT> 1s", errControlLost},
	{"stalled", openA + "T> 5m\nS> 426 *", errAny},
	{"ended by the drain timeout", openA + "! drain\nT> 60s\nS> 426 *\nS> 421 *\nS.", errAny},
	{"ended by the drain timeout in the grace period", "! grace 90s\n" + openA + "D.\n! drain\nT> 60s\nS> 426 *\nS> 421 *\nS.", errDrainTimeout},
	{"no data connection", "C> EPSV\nS> 229 *\nC> STOR a\nS> 150 *\nT> 20s\nS> 425 *", errAny},
}

var errAny = errors.New("any error but io.EOF")

// The reader for Put returns io.EOF only for a complete upload, and otherwise another error. Further reads return the same.
func TestUploadReturnsEOFOnlyIfComplete(t *testing.T) {
	for _, c := range uploads {
		t.Run(c.name, func(t *testing.T) {
			var end, again error
			withPut(t, func(_ context.Context, _ string, r io.Reader, _ proxy.Write) error {
				_, end = io.Copy(io.Discard, r)
				if end == nil {
					end = io.EOF
				}
				_, again = r.Read(make([]byte, 10))
				if end == io.EOF {
					return nil
				}
				return end
			}, c.text)
			if !errors.Is(end, c.want) && (c.want != errAny || end == nil || end == io.EOF) {
				t.Errorf("the reader returns %v, want %v", end, c.want)
			}
			if end != again {
				t.Errorf("the reader returns %v, and then %v", end, again)
			}
		})
	}
}

// holdCommit makes the reader for Put not call Commit, and returns Commit.
func holdCommit(r io.Reader) (commit func() error) {
	a := r.(*sourceReader)
	a.noCommit = true
	return a.src.Commit
}

// Commit returns nil only for a complete upload.
func TestCommitSucceedsOnlyIfComplete(t *testing.T) {
	for _, c := range uploads {
		t.Run(c.name, func(t *testing.T) {
			var end, again error
			withPut(t, func(_ context.Context, _ string, r io.Reader, _ proxy.Write) error {
				commit := holdCommit(r)
				if _, end = io.Copy(io.Discard, r); end != nil {
					again = commit()
					return end
				}
				if end, again = commit(), commit(); end == nil {
					end, again = io.EOF, cmp.Or(again, io.EOF)
					return nil
				}
				return end
			}, c.text)
			if !errors.Is(end, c.want) && (c.want != errAny || end == nil || end == io.EOF) {
				t.Errorf("Commit returns %v, want %v", end, c.want)
			}
			if end != again {
				t.Errorf("Commit returns %v, and then %v", end, again)
			}
		})
	}
}

// A store that returns nil without a call of Commit must not get 226.
func TestStoreThatDoesNotCallCommit(t *testing.T) {
	withPut(t, func(_ context.Context, _ string, r io.Reader, _ proxy.Write) error {
		holdCommit(r)
		_, err := io.Copy(io.Discard, r)
		return err
	}, openA+"D.\nS> 451 *")
}

// An incomplete upload must not get 226, even if the store ignores the error and returns nil.
func TestStoreThatIgnoresErrors(t *testing.T) {
	careless := func(_ context.Context, _ string, r io.Reader, _ proxy.Write) error {
		io.Copy(io.Discard, r)
		return nil
	}
	for _, c := range uploads {
		t.Run(c.name, func(t *testing.T) { withPut(t, careless, c.text) })
	}
}

// A store that returns nil before it has read all data must not get 226.
func TestStoreThatDoesNotRead(t *testing.T) {
	withPut(t, func(context.Context, string, io.Reader, proxy.Write) error { return nil },
		"C> EPSV\nS> 229 *\nC> STOR a\nS> 451 *")
	withPut(t, func(_ context.Context, _ string, r io.Reader, _ proxy.Write) error {
		io.ReadFull(r, make([]byte, 3))
		return nil
	}, begin+"D= \"hel\"\nS> 451 *\nS!")
	withPut(t, func(_ context.Context, _ string, r io.Reader, _ proxy.Write) error {
		io.ReadFull(r, make([]byte, 3))
		return syscall.EFBIG
	}, begin+"D= \"hel\"\nS> 552 *\nS!")
}

// If the store is not reading during an abort, its next Read fails at once.
func TestReadFailsAfterAbort(t *testing.T) {
	for _, c := range []struct{ name, text string }{
		{"ABOR", openA + "C> ABOR\nS> 426 Transfer aborted.\nS> 226 *"},
		{"drain", openA + "! drain\nT> 60s\nS> 426 *\nS> 421 *\nS."},
	} {
		t.Run(c.name, func(t *testing.T) {
			withPut(t, func(ctx context.Context, _ string, r io.Reader, _ proxy.Write) error {
				r.Read(make([]byte, 10))
				<-ctx.Done()
				start := time.Now()
				n, err := io.Copy(io.Discard, r)
				if took := time.Since(start); took != 0 || n != 0 || err == nil {
					t.Errorf("read %d bytes and %v after %v, want an error at once", n, err, took)
				}
				return err
			}, c.text)
		})
	}
}

// After Commit, neither ABOR nor the end of the control connection cancels the Put. ABOR is answered after it.
func TestPutIsNotCancelledAfterCommit(t *testing.T) {
	for _, c := range []struct{ name, text string }{
		{"ABOR", openA + "D.\nT> 1s\nC> ABOR\nS-\nT> 5m\nS> 226 *\nS> 226 *"},
		{"control connection closed", openA + "D.\nT> 1s\nC.\nT> 10m"},
	} {
		t.Run(c.name, func(t *testing.T) {
			put := false
			withPut(t, func(ctx context.Context, _ string, r io.Reader, _ proxy.Write) error {
				if _, err := io.Copy(io.Discard, r); err != nil {
					return err
				}
				select {
				case <-time.After(5 * time.Minute):
					put = true
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}, c.text)
			if !put {
				t.Error("the Put was cancelled")
			}
		})
	}
}

// Write.Size is the size announced by ALLO, for the next upload in TYPE I only.
func TestSizeOfAlloIsPassedToStore(t *testing.T) {
	var mu sync.Mutex
	var got []int64
	withPut(t, func(_ context.Context, _ string, r io.Reader, w proxy.Write) error {
		_, err := io.Copy(io.Discard, r)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, w.Size)
		return err
	}, "C> ALLO 5\nS> 200 *\n"+openA+"D.\nS> 226 *\n"+openA+"D.\nS> 226 *\nC> TYPE A\nS> 200 *\nC> ALLO 5\nS> 200 *\n"+openA+"D.\nS> 226 *")
	if len(got) != 3 || got[0] != 5 || got[1] != 0 || got[2] != 0 {
		t.Errorf("Write.Size is %v, want 5, 0, 0", got)
	}
}

// The grace period depends on the duration of the upload and the round-trip time, within limits.
func TestGracePeriod(t *testing.T) {
	for _, c := range []struct{ rtt, took, want time.Duration }{
		{0, 0, 250 * time.Microsecond},
		{0, 125 * time.Microsecond, 250 * time.Microsecond},
		{0, 300 * time.Microsecond, 600 * time.Microsecond},
		{0, 9 * time.Millisecond, 18 * time.Millisecond},
		{0, 11 * time.Millisecond, 20 * time.Millisecond},
		{0, 168 * time.Millisecond, 20 * time.Millisecond},
		{0, 300 * time.Millisecond, 30 * time.Millisecond},
		{40 * time.Millisecond, 300 * time.Millisecond, 40 * time.Millisecond},
		{time.Second, 0, time.Second},
		{time.Hour, 0, 2 * time.Second},
		{0, time.Hour, 100 * time.Millisecond},
	} {
		if got := grace(c.rtt, c.took); got != c.want {
			t.Errorf("round trip %v, upload %v: %v, want %v", c.rtt, c.took, got, c.want)
		}
	}
}
