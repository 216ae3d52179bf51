package s3fs

import (
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// MinIO may lose the parts of an upload if the connection of a Complete is closed before the answer. Then the resumable size must be 0, and
// the next upload to the name aborts it.
func TestPartsLostByComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		s.silentFrom("Complete")
		f := s.fs(Options{PartSize: minPart, Resume: time.Hour})
		if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(3*minPart-1)), proxy.Write{}); !isUnanswered(err) {
			t.Fatalf("error %v, want that S3 is silent", err)
		}
		s.fault = nil
		if at := resumableSize(t, f, "/f"); at != 2*minPart {
			t.Errorf("the resumable size is %d, want %d", at, 2*minPart)
		}
		clear(s.parts)
		if at := resumableSize(t, f, "/f"); at != 0 {
			t.Errorf("without its parts the resumable size is %d", at)
		}
		_, err := f.Put(t.Context(), "/f", storetest.Source(zeros(1), storetest.First(2*minPart)), proxy.Write{})
		if e, ok := errors.AsType[*proxy.OffsetError](err); !errors.Is(err, syscall.ESPIPE) || !ok || e.Offset != 0 {
			t.Errorf("resumed without its parts: error %v, want an OffsetError with 0", err)
		}
		if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(1)), proxy.Write{}); err != nil {
			t.Error(err)
		}
		awaitCleanUps(t, f)
		if s.open {
			t.Error("the multipart upload is still open")
		}
	})
}
