package s3fs

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestPairsOfChangesOnMinIO is TestPairsOfChanges on a real service that ignores conditions on copies and deletions. While each request of
// the first operation is delayed, the second operation runs as far as it can.
func TestPairsOfChangesOnMinIO(t *testing.T) {
	p := &meeting{pairing: pairing{there: []change{stor("/a", "a1"), stor("/c", "c1")}}}
	server := minio(t, "pairs")
	o := server.api.Options()
	p.client = dial(t, Config{Endpoint: *o.BaseEndpoint, Region: o.Region, Credentials: o.Credentials, HTTPClient: p})
	p.http = server.http
	for _, pair := range [][2]change{
		{rnto("/a", "/b"), rnto("/c", "/a")},
		{rnto("/a", "/b"), stor("/a", "a2")},
		{rnto("/a", "/b"), appe("/a")},
		{dele("/a"), rnto("/c", "/a")},
		{mfmt("/a"), stor("/a", "a2")},
		{mfmt("/a"), rnto("/c", "/a")},
		{appe("/a"), rnto("/c", "/a")},
		{rnto("/c", "/a"), rnto("/a", "/b")},
	} {
		t.Run(pair[0].name+" beside "+pair[1].name, func(t *testing.T) {
			want := p.serial(t, pair[:]...)
			for at := int32(1); ; at++ {
				f, errs, met := p.meet(t, at, pair[0], pair[1])
				if got := p.outcome(t, f, errs...); !slices.Contains(want, got) {
					t.Errorf("at request %d: %v\ngot  %s\nwant %s", at, errs, got, strings.Join(want, "\n  or "))
				}
				if !met {
					return
				}
			}
		})
	}
}

// A meeting is a pairing of operations on a real service.
type meeting struct {
	pairing
	http interface {
		Do(*http.Request) (*http.Response, error)
	}
	requests atomic.Int32       // of the first operation
	at       int32              // the one before which the second operation runs
	second   func() (over bool) // begins it when it is called first
}

// Do implements s3.HTTPClient.
func (m *meeting) Do(r *http.Request) (*http.Response, error) {
	if r.Context().Value(sideKey{}) != nil && !slices.Contains(afterwards, name(r)) && m.requests.Add(1) == m.at {
		for !m.second() && !m.contended() {
			<-time.After(time.Millisecond)
		}
	}
	return m.http.Do(r)
}

// contended reports whether an operation waits for a lock.
func (m *meeting) contended() bool {
	l := m.client.names
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, queue := range l.queues {
		if len(queue) > 0 {
			return true
		}
	}
	return false
}

// meet runs the first operation, and the second when the first sends its request number at. met is false if it never does.
func (m *meeting) meet(t *testing.T, at int32, first, second change) (f *FS, errs []error, met bool) {
	f, errs = m.fresh(t), make([]error, 2)
	over := make(chan struct{})
	begun := false
	m.second = func() bool {
		if !begun {
			begun = true
			go func() {
				defer close(over)
				errs[1] = second.do(t.Context(), f)
			}()
		}
		return isClosed(over)
	}
	m.requests.Store(0)
	m.at = at
	errs[0] = first.do(context.WithValue(t.Context(), sideKey{}, 0), f)
	met = begun
	m.second()
	<-over
	awaitCleanUps(t, f)
	if at > 100 {
		t.Fatal(fmt.Sprint(first.name, " has no end"))
	}
	return f, errs, met
}
