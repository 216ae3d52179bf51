package s3fs

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

var errLost = errors.New("the client is gone")

type lost struct{}

func (lost) Read([]byte) (int, error) { return 0, errLost }

// TestStatWaitsForTheEndOfAnUpload: a client that comes back at once hears of all that S3 will have, not of what it has
// by then.
func TestStatWaitsForTheEndOfAnUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		slow := make(chan struct{})
		s.fault = func(r *http.Request, call string) (*http.Response, error) {
			switch call {
			case "List":
				return response(200, "<ListBucketResult></ListBucketResult>"), nil
			case "Part 101":
				<-slow
			}
			return nil, nil
		}
		f := s.fs(Options{Resume: time.Hour})
		put := later(func() (any, error) {
			return nil, f.Put(t.Context(), "/f", io.MultiReader(zeros(minPart+7), lost{}), Write{})
		})
		synctest.Wait()
		var asked error
		go func() { _, asked = f.Stat(t.Context(), "/f") }()
		synctest.Wait()
		if asked != nil {
			t.Errorf("while the tail is being saved, Stat says %v", asked)
		}
		close(slow)
		synctest.Wait()
		at, ok := errors.AsType[interface {
			error
			Offset() int64
		}](asked)
		if !ok || at.Offset() != minPart+7 || !errors.Is(asked, fs.ErrNotExist) {
			t.Errorf("Stat says %v", asked)
		}
		if _, err := put(); !errors.Is(err, errLost) {
			t.Error(err)
		}
	})
}

// TestStatWaitsNoLongerThanItsClient: neither for an upload whose end does not come, nor beyond its own context.
func TestStatWaitsNoLongerThanItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l uploads
		if l.settle(t.Context(), "b/f") {
			t.Error("waited for nothing")
		}
		first, second := l.ending("b/f"), l.ending("b/f")
		begin := time.Now()
		if !l.settle(t.Context(), "b/f") || time.Since(begin) != longestEnd {
			t.Errorf("waited %v", time.Since(begin))
		}
		first()
		begin = time.Now()
		go func() {
			<-time.After(time.Second)
			second()
		}()
		if !l.settle(t.Context(), "b/f") || time.Since(begin) != time.Second {
			t.Errorf("waited %v", time.Since(begin))
		}
		if l.settle(t.Context(), "b/f") || len(l.endings) > 0 {
			t.Error("the end is not forgotten")
		}
	})
}
