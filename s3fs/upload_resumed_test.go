package s3fs

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// A resumed upload that fails again keeps its new bytes: if a part fails, if its last part was joined to the previous one, and if an earlier
// session has left parts after it.
func TestResumedUploadKeepsItsProgress(t *testing.T) {
	for name, test := range map[string]struct {
		refused string // part
		rest    io.Reader
		want    int64
	}{
		"a part fails":        {"Part 5", zeros(3*minPart + 7), 4 * minPart},
		"the tail is joined":  {"", io.MultiReader(zeros(minPart+7), iotest.ErrReader(errCut)), 3*minPart + 7},
		"less than was there": {"", io.MultiReader(zeros(minPart), iotest.ErrReader(errCut)), 3 * minPart},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				s.fault = func(_ *http.Request, call string) (*http.Response, error) {
					if call == test.refused {
						return refusal(400, "InvalidRequest", ""), nil
					}
					return nil, nil
				}
				f := s.fs(Options{PartSize: minPart, Resume: time.Hour})
				_, err := f.Put(t.Context(), "/f", storetest.Source(io.MultiReader(zeros(2*minPart), iotest.ErrReader(errCut))), proxy.Write{})
				if !errors.Is(err, errCut) {
					t.Fatal(err)
				}
				for _, n := range []int{8, 9} { // of a session that was killed
					s.parts[n], s.tags[n] = minPart, "0123456789abcdef0123456789abcdef"
				}
				if _, err := f.Put(t.Context(), "/f", storetest.Source(test.rest, storetest.First(2*minPart)), proxy.Write{}); err == nil {
					t.Error("no error")
				}
				if at := resumableSize(t, f, "/f"); at != test.want {
					t.Errorf("the resumable size is %d, want %d", at, test.want)
				}
			})
		})
	}
}

// Only the last part may have another size.
func TestUniformPartsStayUniform(t *testing.T) {
	for _, size := range []int{2*minPart + 1, 14 << 20, 16 << 20} {
		s := newFake(t)
		f := s.fs(Options{PartSize: 8 << 20, UniformParts: true, Resume: time.Hour})
		if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(size)), proxy.Write{}); err != nil {
			t.Fatal(err)
		}
		for n, part := range s.parts {
			if _, more := s.parts[n+1]; more && part != 8<<20 {
				t.Errorf("%d bytes: part %d has %d", size, n, part)
			}
		}
	}
}

// A stored file aborts earlier failed uploads, but not one that another session has resumed.
func TestUploadKeepsUploadResumedByOtherSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		f := s.fs(Options{PartSize: minPart, Resume: time.Hour})
		_, err := f.Put(t.Context(), "/f", storetest.Source(io.MultiReader(zeros(2*minPart), iotest.ErrReader(errCut))), proxy.Write{})
		if !errors.Is(err, errCut) {
			t.Fatal(err)
		}
		g := newGate(zeros(minPart + 7))
		result := make(chan error, 1)
		go func() {
			result <- errOf(f.Put(t.Context(), "/f", storetest.Source(g, storetest.First(2*minPart)), proxy.Write{}))
		}()
		<-g.there
		if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(7)), proxy.Write{}); err != nil {
			t.Fatal(err)
		}
		g.end <- io.EOF
		if err := <-result; err != nil || s.objects["/b/f"] != 3*minPart+7 {
			t.Errorf("%v, and %d bytes", err, s.objects["/b/f"])
		}
	})
}
