package s3fs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
	"github.com/s3ftpd/s3ftpd/test/quirks"
)

// A change is an operation that two sessions of one process run at the same time.
type change struct {
	name string
	do   func(ctx context.Context, f *FS) error
}

func stor(name, content string) change {
	return change{"STOR " + name, func(ctx context.Context, f *FS) error {
		return errOf(f.Put(ctx, name, storetest.Source(strings.NewReader(content)), proxy.Write{}))
	}}
}

func stou(name string) change {
	return change{"STOU " + name, func(ctx context.Context, f *FS) error {
		return errOf(f.Put(ctx, name, storetest.Source(strings.NewReader("new")), proxy.Write{New: true}))
	}}
}

func appe(name string) change {
	return change{"APPE " + name, func(ctx context.Context, f *FS) error {
		return errOf(f.Put(ctx, name, storetest.Source(strings.NewReader("+"), storetest.All()), proxy.Write{}))
	}}
}

func dele(name string) change {
	return change{"DELE " + name, func(ctx context.Context, f *FS) error { return errOf(f.Remove(ctx, name)) }}
}

func mfmt(name string) change {
	return change{"MFMT " + name, func(ctx context.Context, f *FS) error { return errOf(f.SetTime(ctx, name, time.Unix(1000, 0))) }}
}

func rnto(from, to string) change {
	return change{"RNTO " + from + " " + to, func(ctx context.Context, f *FS) error { return errOf(f.Rename(ctx, from, to, true)) }}
}

func mkd(name string) change {
	return change{"MKD " + name, func(ctx context.Context, f *FS) error { return errOf(f.Mkdir(ctx, name)) }}
}

func rmd(name string) change {
	return change{"RMD " + name, func(ctx context.Context, f *FS) error { return errOf(f.Rmdir(ctx, name)) }}
}

// Two concurrent operations of one process on related names have the same outcome as one after the other, in any order of their requests,
// or one of them fails with EBUSY. The service ignores conditions on copies and deletions, as MinIO does.
//
// S3FTPD_TEST_PAIRS=full tests more orders, which takes about ten minutes.
func TestPairsOfChanges(t *testing.T) {
	groups := map[string]struct {
		switches int // from one operation to the other, beside those that a lock makes
		changes  []change
	}{
		"files": {3, []change{
			stor("/a", "a2"), stor("/b", "b2"), appe("/a"), dele("/a"), dele("/b"), mfmt("/a"), rnto("/a", "/b"), rnto("/b", "/a"), rnto("/c", "/a"),
			stou("/n"), stor("/n", "n2"), rnto("/a", "/n"),
		}},
		"directories": {2, []change{
			rnto("/d", "/e"), rnto("/d", "/f"), rnto("/m", "/e"), stor("/d/x", "x2"), appe("/d/x"), dele("/d/x"), mfmt("/d/x"), stor("/e/x", "e2"),
			rnto("/d/x", "/q"), rnto("/a", "/e/x"), rnto("/a", "/d/x"), mkd("/e"), rmd("/m"), mkd("/m"), rnto("/a", "/e"),
		}},
	}
	for name, group := range groups {
		if os.Getenv("S3FTPD_TEST_PAIRS") != "full" {
			group.switches = 1
		}
		if testing.Short() && name != "files" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			for i, first := range group.changes {
				for _, second := range group.changes[i:] {
					t.Run(first.name+" beside "+second.name, func(t *testing.T) {
						t.Parallel()
						handler := embeddedStore(t, s3demo.Options{}, "pairs")
						synctest.Test(t, func(t *testing.T) {
							newPairing(t, quirks.Wrap(handler, quirks.Named("conditions-ignored-copy-delete"))).check(t, first, second, group.switches)
						})
					})
				}
			}
		})
	}
}

// A pairing runs two operations in each possible order of their requests.
type pairing struct {
	handler http.Handler
	client  *Client
	there   []change // before both operations
	runs    int

	mu      sync.Mutex
	waiting [2][]chan struct{} // requests of each operation that have come, but are not obeyed yet
}

func newPairing(t *testing.T, handler http.Handler) *pairing {
	p := &pairing{handler: handler, there: []change{
		stor("/a", "a1"), stor("/b", "b1"), stor("/c", "c1"), stor("/d/x", "x1"), stor("/d/y", "y1"), mkd("/m"),
	}}
	p.client = dial(t, Config{Endpoint: "http://pairs", Credentials: keys(quirks.AccessKey, quirks.SecretKey), HTTPClient: p, MaxBackoff: time.Millisecond})
	return p
}

type sideKey struct{}

// afterwards are the requests of clean-ups in the background.
var afterwards = []string{"ListUploads", "ListParts", "Abort"}

// Do executes a request when it is its turn.
func (p *pairing) Do(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	if side, ok := r.Context().Value(sideKey{}).(int); ok && !slices.Contains(afterwards, name(r)) {
		turn := make(chan struct{})
		p.mu.Lock()
		p.waiting[side] = append(p.waiting[side], turn)
		p.mu.Unlock()
		select {
		case <-turn:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	served := httptest.NewRequest(r.Method, r.URL.String(), bytes.NewReader(body))
	served.Header = r.Header.Clone()
	answer := httptest.NewRecorder()
	p.handler.ServeHTTP(answer, served)
	return answer.Result(), nil
}

// obey executes the oldest waiting request of an operation.
func (p *pairing) obey(side int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.waiting[side][0])
	p.waiting[side] = p.waiting[side][1:]
}

func (p *pairing) waits(side int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting[side]) > 0
}

// fresh returns an FS with some files and directories.
func (p *pairing) fresh(t *testing.T) *FS {
	p.runs++
	f := NewFS(p.client, Options{Bucket: "pairs", Prefix: fmt.Sprint(p.runs), Budget: budget.New(0)})
	for _, c := range p.there {
		if err := c.do(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// outcome describes the errors of both operations and the files in the bucket.
func (p *pairing) outcome(t *testing.T, f *FS, errs ...error) string {
	var words []string
	for _, err := range errs {
		words = append(words, errorKind(err))
	}
	out, err := f.api.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &f.bucket, Prefix: &f.prefix})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range out.Contents {
		is, err := f.api.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &f.bucket, Key: o.Key})
		if err != nil {
			t.Fatal(err)
		}
		content, _ := io.ReadAll(is.Body)
		words = append(words, strings.TrimPrefix(*o.Key, f.prefix)+"="+string(content)+is.Metadata["mtime"])
	}
	return strings.Join(words, " ")
}

// errorKind returns the kind of an error, as far as it determines the client's reply.
func errorKind(err error) string {
	for _, w := range []error{syscall.EBUSY, fs.ErrNotExist, fs.ErrExist, syscall.ENOTEMPTY} {
		if errors.Is(err, w) {
			return w.Error()
		}
	}
	return fmt.Sprint(err)
}

// serial returns the allowed outcomes: those of one operation after the other, and those with one or both refused.
func (p *pairing) serial(t *testing.T, changes ...change) (outcomes []string) {
	for _, order := range [][]int{{0, 1}, {1, 0}, {0}, {1}, {}} {
		f, errs := p.fresh(t), []error{errBusy, errBusy}
		for _, i := range order {
			errs[i] = changes[i].do(t.Context(), f)
		}
		outcomes = append(outcomes, p.outcome(t, f, errs...))
	}
	return outcomes
}

// check runs both operations in each order of their requests, and checks that the outcomes are allowed.
func (p *pairing) check(t *testing.T, first, second change, switches int) {
	want := p.serial(t, first, second)
	bad := make(map[string]string)
	for next := (&schedule{switches: switches}); next != nil; next = next.next() {
		f := p.fresh(t)
		errs := p.run(t, f, next, first, second)
		if got := p.outcome(t, f, errs...); !slices.Contains(want, got) && bad[got] == "" {
			bad[got] = fmt.Sprintf("requests in the order %v: %v", next.taken, errs)
		}
	}
	for got, how := range bad {
		t.Errorf("%s\ngot  %s\nwant %s", how, got, strings.Join(want, "\n  or "))
	}
}

// run runs two operations, with their requests in the order of a schedule.
func (p *pairing) run(t *testing.T, f *FS, s *schedule, changes ...change) []error {
	errs := make([]error, len(changes))
	over := make([]chan struct{}, len(changes))
	for i, c := range changes {
		over[i] = make(chan struct{})
		go func() {
			defer close(over[i])
			errs[i] = c.do(context.WithValue(t.Context(), sideKey{}, i), f)
		}()
	}
	for {
		synctest.Wait()
		switch side := s.choose(p.waits(0), p.waits(1)); {
		case side >= 0:
			p.obey(side)
		case isClosed(over[0]) && isClosed(over[1]):
			awaitCleanUps(t, f)
			return errs
		default: // one waits before it tries again
			<-time.After(time.Second)
		}
	}
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// A schedule is an order of the requests of two operations: those of one until it switches to the other.
type schedule struct {
	switches int   // that it may make
	plan     []int // the first choices; after these, as few switches as possible
	taken    []int // the choices made
	could    []int // for each, the other that could have been made, -1 = none
	made     int   // switches so far
}

func (s *schedule) choose(first, second bool) int {
	can := []bool{first, second}
	if !first && !second {
		return -1
	}
	now := 0
	if len(s.taken) > 0 {
		now = s.taken[len(s.taken)-1]
	}
	free := !can[now] // a switch that is not the schedule's
	if free {
		now = 1 - now
	}
	other := -1
	if can[1-now] && (s.made < s.switches || len(s.taken) == 0) {
		other = 1 - now
	}
	if i := len(s.taken); i < len(s.plan) && s.plan[i] == other && other >= 0 {
		now, other = other, now
		if i > 0 {
			s.made++
		}
	}
	s.taken, s.could = append(s.taken, now), append(s.could, other)
	return now
}

// next returns the next schedule, nil after the last one.
func (s *schedule) next() *schedule {
	for i := len(s.taken) - 1; i >= 0; i-- {
		switched := i < len(s.plan) && s.plan[i] != -1
		if s.could[i] >= 0 && !switched {
			plan := make([]int, i+1)
			for j := range plan {
				plan[j] = -1
				if j < len(s.plan) {
					plan[j] = s.plan[j]
				}
			}
			plan[i] = s.could[i]
			return &schedule{switches: s.switches, plan: plan}
		}
	}
	return nil
}
