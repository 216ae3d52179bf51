package s3fs

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

var errLost = errors.New("the client is gone")

type lost struct{}

func (lost) Read([]byte) (int, error) { return 0, errLost }

// Stat of a client that reconnects at once waits until the failed upload has stored its last parts, and reports its final size.
func TestStatWaitsForFinishingUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		slow := make(chan struct{})
		s.fault = func(r *http.Request, call string) (*http.Response, error) {
			switch call {
			case "List":
				return response(200, "<ListBucketResult></ListBucketResult>"), nil
			case "Part 1":
				<-slow
			}
			return nil, nil
		}
		f := s.fs(Options{Resume: time.Hour})
		put := async(func() (any, error) {
			return nil, errOf(f.Put(t.Context(), "/f", storetest.Source(io.MultiReader(zeros(minPart+7), lost{})), proxy.Write{}))
		})
		synctest.Wait()
		var told proxy.Entry
		answered := false
		go func() {
			told, _ = f.Stat(t.Context(), "/f")
			answered = true
		}()
		synctest.Wait()
		if answered {
			t.Errorf("while the last part is being sent, Stat returns %+v", told)
		}
		close(slow)
		synctest.Wait()
		if !told.Resumable || told.Size != minPart+7 {
			t.Errorf("Stat returns %+v", told)
		}
		if _, err := put(); !errors.Is(err, errLost) {
			t.Error(err)
		}
	})
}

// Stat waits for a limited time, and no longer than its context.
func TestWaitOfStatIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l uploadRegistry
		if l.awaitFinishing(t.Context(), "b/f") {
			t.Error("waited for nothing")
		}
		first, second := l.startFinishing("b/f"), l.startFinishing("b/f")
		begin := time.Now()
		if !l.awaitFinishing(t.Context(), "b/f") || time.Since(begin) != finishTimeout {
			t.Errorf("waited %v", time.Since(begin))
		}
		first()
		begin = time.Now()
		go func() {
			<-time.After(time.Second)
			second()
		}()
		if !l.awaitFinishing(t.Context(), "b/f") || time.Since(begin) != time.Second {
			t.Errorf("waited %v", time.Since(begin))
		}
		if l.awaitFinishing(t.Context(), "b/f") || len(l.finishing) > 0 {
			t.Error("the end is not forgotten")
		}
	})
}
