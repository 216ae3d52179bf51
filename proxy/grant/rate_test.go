package grant

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

const rateOfTest = 1 << 20 // bytes a second

// endless is a store of endless files. It reads uploads with the given size of buffer.
type endless struct {
	proxy.Store
	buffer int
}

func (e endless) Put(ctx context.Context, _ string, src proxy.Source, _ proxy.Write) (proxy.Stored, error) {
	run, err := src.Next(ctx)
	for p := make([]byte, e.buffer); err == nil; {
		_, err = run.New.Read(p)
	}
	return proxy.Stored{}, err
}

func (e endless) Open(context.Context, string, proxy.Range) (proxy.Reader, error) {
	return zeros{new(atomic.Int64)}, nil
}

// zeros yields zeros, and counts them.
type zeros struct{ n *atomic.Int64 }

func (z zeros) Read(p []byte) (int, error) {
	z.n.Add(int64(len(p)))
	return len(p), nil
}
func (z zeros) Write(p []byte) (int, error) { return z.Read(p) }
func (z zeros) Close() error                { return nil }
func (z zeros) Entry() proxy.Entry          { return proxy.Entry{} }
func (z zeros) Stored() proxy.Stored        { return proxy.Stored{} }

// A writesZeros is zeros with WriteTo.
type writesZeros struct{ zeros }

func (w writesZeros) WriteTo(to io.Writer) (total int64, err error) {
	for p := make([]byte, 256<<10); err == nil; {
		var n int
		n, err = to.Write(p)
		total += int64(n)
	}
	return total, err
}

type endlessWriters struct{ endless }

func (endlessWriters) Open(context.Context, string, proxy.Range) (proxy.Reader, error) {
	return writesZeros{zeros{new(atomic.Int64)}}, nil
}

// moves are ways to move a file until ctx is done. They count the bytes that have passed the limit.
var moves = map[string]func(ctx context.Context, r *Rate, n *atomic.Int64) error{
	"upload": func(ctx context.Context, r *Rate, n *atomic.Int64) error {
		_, err := r.Limit(endless{buffer: 1 << 20}).Put(ctx, "/f", storetest.Source(zeros{n}), proxy.Write{})
		return err
	},
	"upload with small reads": func(ctx context.Context, r *Rate, n *atomic.Int64) error {
		_, err := r.Limit(endless{buffer: 100}).Put(ctx, "/f", storetest.Source(zeros{n}), proxy.Write{})
		return err
	},
	"download": func(ctx context.Context, r *Rate, n *atomic.Int64) error {
		return download(ctx, r.Limit(endless{}), n)
	},
	"download by WriteTo": func(ctx context.Context, r *Rate, n *atomic.Int64) error {
		return download(ctx, r.Limit(endlessWriters{}), n)
	},
}

func download(ctx context.Context, s proxy.Store, n *atomic.Int64) error {
	body, err := s.Open(ctx, "/f", proxy.Range{})
	if err != nil {
		return err
	}
	_, err = io.Copy(struct{ io.Writer }{zeros{n}}, body)
	return err
}

// move runs transfers for a time, and returns the bytes of each.
func move(t *testing.T, r *Rate, took time.Duration, transfers ...string) (bytes []int64) {
	ctx, cancel := context.WithTimeoutCause(t.Context(), took, errBroken)
	defer cancel()
	counts := make([]atomic.Int64, len(transfers))
	results := make(chan error)
	for i, kind := range transfers {
		go func() { results <- moves[kind](ctx, r, &counts[i]) }()
	}
	begin := time.Now()
	for i := range transfers {
		if err := <-results; !errors.Is(err, errBroken) || time.Since(begin) != took {
			t.Errorf("a transfer ends after %v with %v", time.Since(begin), err)
		}
		bytes = append(bytes, counts[i].Load())
	}
	for i := range transfers {
		bytes[i] = counts[i].Load()
	}
	return bytes
}

func sum(all []int64) (total int64) {
	for _, n := range all {
		total += n
	}
	return total
}

// Over 10 s the transfers of a user move as many bytes as the rate allows, and not a tenth more or less. They end at once.
func TestRate(t *testing.T) {
	for kind := range moves {
		for _, transfers := range []int{1, 2, 40} {
			synctest.Test(t, func(t *testing.T) {
				r := new(Rate)
				r.Set(rateOfTest, rateOfTest)
				var all []string
				for range transfers {
					all = append(all, kind)
				}
				moved := move(t, r, 10*time.Second, all...)
				if total := sum(moved); total < 9*rateOfTest || total > 11*rateOfTest {
					t.Errorf("%s, %d transfers: %d bytes in 10 s, want %d", kind, transfers, total, 10*rateOfTest)
				}
			})
		}
	}
}

// Transfers have equal shares, however many bytes they read at a time.
func TestRateIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(Rate)
		r.Set(rateOfTest, 20*rateOfTest)
		moved := move(t, r, 10*time.Second, "upload", "upload with small reads", "upload", "download")
		for _, n := range moved[:3] {
			if n < 3*rateOfTest || n > 4*rateOfTest {
				t.Errorf("three uploads move %v bytes, want equal shares", moved[:3])
			}
		}
		if moved[3] < 190*rateOfTest {
			t.Errorf("the limit of uploads holds for a download of %d bytes", moved[3])
		}
	})
}

// A transfer is never silent for long, even among many at a low rate.
func TestRateIsNeverSilent(t *testing.T) {
	for kind := range moves {
		synctest.Test(t, func(t *testing.T) {
			r := new(Rate)
			r.Set(1<<10, 1<<10)
			ctx, cancel := context.WithCancel(t.Context())
			var watched atomic.Int64
			for i := range 50 {
				n := new(atomic.Int64)
				if i == 0 {
					n = &watched
				}
				go moves[kind](ctx, r, n)
			}
			last := int64(0)
			for range 20 {
				<-time.After(5 * time.Second)
				if watched.Load() == last {
					t.Errorf("%s: no byte in 5 s", kind)
				}
				last = watched.Load()
			}
			cancel()
			synctest.Wait()
		})
	}
}

// Running transfers follow a new rate, and those that end leave their share to others.
func TestRateChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(Rate)
		r.Set(rateOfTest, rateOfTest)
		go func() {
			<-time.After(5 * time.Second)
			r.Set(3*rateOfTest, rateOfTest)
		}()
		if total := sum(move(t, r, 10*time.Second, "upload", "upload")); total < 19*rateOfTest || total > 21*rateOfTest {
			t.Errorf("%d bytes, want %d", total, 20*rateOfTest)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := new(Rate)
		r.Set(rateOfTest, rateOfTest)
		both := make(chan []int64)
		go func() { both <- move(t, r, 5*time.Second, "download") }()
		long := move(t, r, 10*time.Second, "download")
		short := <-both
		if long[0] < 7*rateOfTest || long[0] > 8*rateOfTest || short[0] < 2*rateOfTest || short[0] > 3*rateOfTest {
			t.Errorf("beside a transfer of half the time with %v bytes, another one moves %v", short, long)
		}
	})
}

// What a transfer has waited for when it is cancelled is left to others.
func TestCancelledWaitDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		p.set(1000)
		p.wait(t.Context(), 250) // the burst
		ctx, cancel := context.WithCancelCause(t.Context())
		result := make(chan error)
		go func() { result <- p.wait(ctx, 10_000) }()
		synctest.Wait()
		cancel(errBroken)
		if err := <-result; err != errBroken {
			t.Errorf("%v, want %v", err, errBroken)
		}
		begin := time.Now()
		if err := p.wait(t.Context(), 1000); err != nil || time.Since(begin) != time.Second {
			t.Errorf("%v after %v, want 1 s", err, time.Since(begin))
		}
	})
}

// A user without a limit has the store itself, and in a direction without a limit the reader and the source themselves.
func TestNoRateCostsNothing(t *testing.T) {
	memory := storetest.NewMemory()
	r := new(Rate)
	if r.Limit(memory) != proxy.Store(memory) {
		t.Error("a store without limits is wrapped")
	}
	r.Set(1<<10, 0)
	body, err := r.Limit(endless{}).Open(t.Context(), "/f", proxy.Range{})
	if _, same := body.(zeros); err != nil || !same {
		t.Errorf("a download without a limit is a %T, %v", body, err)
	}
	r.Set(0, 1<<10)
	c := &sourceCheck{}
	src := storetest.Source(zeros{})
	r.Limit(c).Put(t.Context(), "/f", src, proxy.Write{})
	if c.src != src {
		t.Errorf("the source of an upload without a limit is a %T", c.src)
	}
}

// A sourceCheck keeps the source of an upload.
type sourceCheck struct {
	proxy.Store
	src proxy.Source
}

func (c *sourceCheck) Put(_ context.Context, _ string, src proxy.Source, _ proxy.Write) (proxy.Stored, error) {
	c.src = src
	return proxy.Stored{}, nil
}

func TestContractWithRate(t *testing.T) {
	storetest.Run(t, storetest.Limits{Brief: true, Part: 64 << 10}, func(t *testing.T) proxy.Store {
		r := new(Rate)
		r.Set(1<<40, 1<<40)
		return r.Limit(storetest.NewMemory())
	})
}
