package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// cuts are faults that end an answer at byte at of the object.
var cuts = map[string]func(g *getFake, at int64){
	"the connection is reset": func(g *getFake, at int64) { g.breaks(at, syscall.ECONNRESET) },
	"the body is short":       func(g *getFake, at int64) { g.breaks(at, io.EOF) },
	"the body is cut":         func(g *getFake, at int64) { g.breaks(at, io.ErrUnexpectedEOF) },
	"S3 falls silent":         func(g *getFake, at int64) { g.breaks(at, os.ErrDeadlineExceeded) },
}

// places are offsets of faults in an object of 48 MiB or more: in the first stream, near its end, and in parallel ranges.
var places = map[string]int64{"at once": 0, "in the first stream": 3*mib + 7, "before its end": firstSpan - 1, "in a range": 40*mib + 7}

func TestTruncatedDownloadContinues(t *testing.T) {
	for cut, breakOff := range cuts {
		for place, at := range places {
			t.Run(cut+" "+place, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newObjectFake(t, 48*mib)
					s.pause = slowS3
					resumed := false
					s.on = func(g *getFake) {
						switch {
						case g.first == at && g.n > 0:
							resumed = true
						case g.first <= at && at < g.end:
							breakOff(g, at)
						}
					}
					w := &taker{}
					if err := w.take(t, s.fs(Options{})); err != nil || w.at != s.size {
						t.Errorf("%d bytes, %v", w.at, err)
					}
					if !resumed {
						t.Errorf("no request from byte %d on", at)
					}
					s.checkPinned()
				})
			})
		}
	}
}

// Failed requests are retried like truncated bodies.
func TestFailedRangeRequestsAreRetried(t *testing.T) {
	for name, refuse := range map[string]func(g *getFake){
		"down":        func(g *getFake) { g.resp, g.err = nil, syscall.ECONNREFUSED },
		"overloaded":  func(g *getFake) { g.refuse(503, "SlowDown") },
		"out of luck": func(g *getFake) { g.refuse(500, "InternalError") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newObjectFake(t, 64*mib)
				s.pause = slowS3
				s.on = func(g *getFake) {
					switch {
					case g.n == 0:
						g.breaks(mib, syscall.ECONNRESET)
					case g.n < maxFailures:
						refuse(g)
					}
				}
				w := &taker{}
				if err := w.take(t, s.fs(Options{})); err != nil || w.at != s.size {
					t.Errorf("%d bytes, %v", w.at, err)
				}
			})
		})
	}
}

// A download fails after a number of failures in a row. Data between two failures restarts the count.
func TestDownloadFailsAfterRepeatedFailures(t *testing.T) {
	for place, at := range places {
		t.Run(place, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newObjectFake(t, 64*mib)
				s.pause = slowS3
				tries := 0
				s.on = func(g *getFake) {
					if g.n > 0 && g.first == at {
						tries++
					}
					if g.first <= at && at < g.end {
						g.breaks(at, syscall.ECONNRESET)
					}
				}
				w := &taker{}
				if err := w.take(t, s.fs(Options{})); !errors.Is(err, syscall.ECONNRESET) || w.at > at {
					t.Errorf("%d bytes, %v; want the error of the connection, and no byte beyond %d", w.at, err, at)
				}
				if tries != maxFailures {
					t.Errorf("%d requests for the byte again, want %d", tries, maxFailures)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := newObjectFake(t, 7*mib)
		s.on = func(g *getFake) { g.breaks(g.first+100_000, syscall.ECONNRESET) }
		w := &taker{}
		if err := w.take(t, s.fs(Options{})); err != nil || w.at != s.size {
			t.Errorf("in small steps: %d bytes, %v", w.at, err)
		}
	})
}

// A retry of a download has a backoff, and ends with the transfer.
func TestBackoffOfDownload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newObjectFake(t, 7*mib)
		s.on = func(g *getFake) { g.breaks(0, syscall.ECONNRESET) }
		begin := time.Now()
		if err := new(taker).take(t, s.fs(Options{})); err == nil {
			t.Error("no error")
		}
		if time.Since(begin) == 0 {
			t.Error("there was no pause")
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		r, err := s.fs(Options{}).Open(ctx, "/f", proxy.Range{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		over := errors.New("over")
		s.on = func(g *getFake) { t.Error("the request was sent again") }
		s.gets[len(s.gets)-1].breaks(0, syscall.ECONNRESET)
		cancel(over)
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, over) {
			t.Errorf("%v, want the reason why it is over", err)
		}
	})
}

// changes are answers to a later request that show that the object was replaced.
var changes = map[string]func(g *getFake){
	"refused":                          func(g *getFake) { g.refuse(412, "PreconditionFailed") },
	"deleted":                          func(g *getFake) { g.refuse(404, "NoSuchKey") },
	"shorter, and If-Match is ignored": func(g *getFake) { g.refuse(416, "InvalidRange") },
	"another, and If-Match is ignored": func(g *getFake) { g.resp.Header.Set("ETag", `"v2"`) },
	"longer, and If-Match is ignored": func(g *getFake) {
		g.resp.Header.Set("Content-Range", byteRange{g.first, g.end - 1, g.s.size + 1}.String())
	},
	"another, and all of it comes": func(g *getFake) { g.whole(); g.resp.Header.Set("ETag", `"v2"`) },
	"longer, and all of it comes":  func(g *getFake) { g.whole(); g.resp.Header.Set("Content-Length", fmt.Sprint(g.s.size+1)) },
}

// mistakes are answers that do not fit the later request.
var mistakes = map[string]func(g *getFake){
	"all of it": func(g *getFake) { g.whole() },
	"another beginning": func(g *getFake) {
		g.resp.Header.Set("Content-Range", byteRange{g.first - 1, g.end - 1, g.s.size}.String())
	},
	"another end":    func(g *getFake) { g.resp.Header.Set("Content-Range", byteRange{g.first, g.end, g.s.size}.String()) },
	"another length": func(g *getFake) { g.resp.Header.Set("Content-Length", fmt.Sprint(g.end-g.first+1)) },
}

// whole makes the answer that to a request without a range.
func (g *getFake) whole() {
	g.resp.StatusCode = http.StatusOK
	g.resp.Header.Del("Content-Range")
	g.resp.Header.Set("Content-Length", fmt.Sprint(g.s.size))
	g.at = 0
}

// If the object is replaced, the bytes that were read are of one version, and the error is ErrStale.
func TestObjectReplacedDuringDownload(t *testing.T) {
	try := func(t *testing.T, answer func(g *getFake), inRange, stale bool) {
		synctest.Test(t, func(t *testing.T) {
			s := newObjectFake(t, 64*mib)
			s.pause = slowS3
			from := int64(32 * mib) // the third span
			if !inRange {
				from = 3*mib + 7
			}
			asked := 0
			s.on = func(g *getFake) {
				switch {
				case g.n == 0 && !inRange:
					g.breaks(from, syscall.ECONNRESET)
				case g.n > 0 && g.first == from:
					asked++
					answer(g)
				}
			}
			w := &taker{}
			err := w.take(t, s.fs(Options{}))
			if err == nil || errors.Is(err, proxy.ErrStale) != stale || errors.Is(err, fs.ErrNotExist) || w.at != from {
				t.Errorf("%d bytes of %d, %v; want ErrStale: %v", w.at, from, err, stale)
			}
			if asked != 1 {
				t.Errorf("%d requests", asked)
			}
		})
	}
	for name, answer := range changes {
		t.Run(name+", when resumed", func(t *testing.T) { try(t, answer, false, true) })
		t.Run(name+", in a range", func(t *testing.T) { try(t, answer, true, true) })
	}
	for name, answer := range mistakes {
		t.Run("answered with "+name+", when resumed", func(t *testing.T) { try(t, answer, false, false) })
		t.Run("answered with "+name+", in a range", func(t *testing.T) { try(t, answer, true, false) })
	}
}

// Without an ETag a download cannot be continued.
func TestDownloadWithoutETagIsNotContinued(t *testing.T) {
	s := newObjectFake(t, 64*mib)
	s.header.Del("ETag")
	s.header.Set("Last-Modified", "Sun, 13 Sep 2020 12:26:40 GMT")
	s.on = func(g *getFake) { g.breaks(mib, syscall.ECONNRESET) }
	w := &taker{}
	if err := w.take(t, s.fs(Options{})); !errors.Is(err, syscall.ECONNRESET) || w.at != mib {
		t.Errorf("%d bytes, %v", w.at, err)
	}
	s.checkCalls("Get")
}

// An answer without a length is refused, because a truncated one looks the same.
func TestAnswerWithoutLengthIsRefused(t *testing.T) {
	s := newObjectFake(t, 100)
	s.on = func(g *getFake) {
		g.resp.Header.Del("Content-Length")
		g.resp.ContentLength = -1
	}
	if r, err := s.fs(Options{}).Open(t.Context(), "/f", proxy.Range{}); err == nil {
		r.Close()
		t.Error("opened")
	}
}
