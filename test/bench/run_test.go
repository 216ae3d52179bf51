package bench

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// slowClient is a client that takes some time for each file.
type slowClient struct {
	each  time.Duration
	err   error
	moved int
}

func (c *slowClient) put(string, int64) error {
	<-time.After(c.each)
	c.moved++
	return c.err
}

func (c *slowClient) get(name string, size int64) error { return c.put(name, size) }

func (c *slowClient) list(string, string, int) (time.Duration, error) { return c.each, c.err }

// A run shares the files among its clients, ends at the limit, and reports the first error.
func TestRun(t *testing.T) {
	w := put("null", "", 2, 11, 1)
	for _, c := range []struct {
		name  string
		each  time.Duration
		err   error
		limit time.Duration
		moved int
		want  string
	}{
		{"all files", time.Second, nil, time.Minute, 11, ""},
		{"no limit", time.Hour, nil, 0, 11, ""},
		{"too slow", 20 * time.Second, nil, time.Minute, 6, "6 of 11 files in 1m0s"},
		{"an error", time.Second, errors.New("451 no"), time.Minute, 2, "451 no"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := &slowClient{c.each, c.err, 0}, &slowClient{c.each, c.err, 0}
				_, err := w.run([]client{a, b}, c.limit)
				text := ""
				if err != nil {
					text = err.Error()
				}
				if a.moved+b.moved != c.moved || !strings.Contains(text, c.want) || (err == nil) != (c.want == "") {
					t.Errorf("%d files, %v; want %d, %q", a.moved+b.moved, err, c.moved, c.want)
				}
			})
		})
	}
}

// awaitAtMost returns when the value is small enough, or at the limit.
func TestAwaitAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		falling := func() float64 { return 10 - time.Since(begin).Seconds() }
		if got := awaitAtMost(7, time.Minute, falling); got > 7 || got < 6.5 {
			t.Errorf("%v at %v, want about 7", got, time.Since(begin))
		}
		if got := awaitAtMost(0, 2*time.Second, falling); got < 4.5 || got > 5.5 {
			t.Errorf("%v at %v, want about 5", got, time.Since(begin))
		}
	})
}

// idleClient is a client that stores nothing, or something else.
type idleClient struct {
	directClient
	content string // "" = nothing is stored
}

func (c idleClient) put(name string, _ int64) error {
	if c.content != "" {
		c.Put(name, c.content)
	}
	return nil
}

// Files that another subject has stored, and other content, do not count as stored.
func TestWarmUpVerifies(t *testing.T) {
	s3 := real.MinIO(t)
	sdk := directClient{harness.NewBucket(t, s3), false}
	w := put("minio", "", 2, 4, 1000)
	for _, c := range []struct {
		name   string
		client client
		want   string
	}{
		{"exact", sdk, ""},
		{"nothing", idleClient{sdk, ""}, "S3 has SHA-256 absent"},
		{"other content", idleClient{sdk, "other"}, "S3 has SHA-256 d9298a10"},
	} {
		_, err := w.warmUp(subject{connect: func() (client, error) { return c.client, nil }}, sdk)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// The error of a peer is its result, on one line, instead of figures.
func TestPeerFails(t *testing.T) {
	m := measurement{Name: "peer", Seconds: []float64{1}, CPU: []float64{1}, First: []float64{1}, PeakMiB: 1}
	m.round(nil, subject{peer: true}, func() (time.Duration, error) { return 0, errors.New("550 no\nsuch | file") })
	want := measurement{Name: "peer", Failure: "550 no such / file"}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("%+v, want %+v", m, want)
	}
}
