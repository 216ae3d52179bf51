package s3fs

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// If two processes upload to the same name at the same time, both succeed, and the last complete upload wins. The first one to complete does
// not abort the other.
func TestConcurrentUploadsOfTwoProcesses(t *testing.T) {
	c := minio(t, "two") // AWS orders them by their beginning, see verifyCompleted
	for name, process := range map[string]func() *FS{
		"two processes": func() *FS { return replica(t, c, "two") },
		"one process":   func() *FS { return NewFS(c, Options{Bucket: "two", PartSize: minPart}) },
	} {
		t.Run(name, func(t *testing.T) {
			first, second := process(), process()
			slow := newGate(letters("a", 3*minPart+100))
			over := make(chan error, 1)
			go func() {
				over <- errOf(first.Put(context.WithoutCancel(t.Context()), "/f", storetest.Source(slow), proxy.Write{}))
			}()
			<-slow.there
			if _, err := second.Put(t.Context(), "/f", storetest.Source(letters("b", 2*minPart+7)), proxy.Write{}); err != nil {
				t.Errorf("the second: %v", err)
			}
			awaitCleanUps(t, second)
			slow.end <- io.EOF
			if err := <-over; err != nil {
				t.Errorf("the first, which was running all the time: %v", err)
			}
			checkFile(t, second, "/f", letters("a", 3*minPart+100))
			if _, err := second.Remove(t.Context(), "/f"); err != nil {
				t.Error(err)
			}
		})
	}
}

// If ListMultipartUploads is refused once, e.g. while credentials change, resuming is disabled for a while only.
func TestRefusedListingDisablesResumeTemporarily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		refuse := true
		s.fault = func(_ *http.Request, call string) (*http.Response, error) {
			if call == "ListUploads" && refuse {
				refuse = false
				return refusal(403, "AccessDenied", "token just rotated"), nil
			}
			return nil, nil
		}
		f := s.fs(Options{PartSize: minPart, Resume: 24 * time.Hour})
		f.Stat(t.Context(), "/other")
		<-time.After(refusalTTL + time.Second)
		_, err := f.Put(t.Context(), "/f", storetest.Source(io.MultiReader(zeros(twoParts), iotest.ErrReader(errCut))), proxy.Write{})
		if !errors.Is(err, errCut) || !s.open || resumableSize(t, f, "/f") != twoParts {
			t.Errorf("%v, still open: %v", err, s.open)
		}
	})
}

// Some services list an upload for a while after its end. The tries to resume it are limited.
func TestResumeOfCompletedUploadGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		f := s.fs(Options{PartSize: minPart, Resume: time.Hour})
		if _, err := f.Put(t.Context(), "/f", storetest.Source(io.MultiReader(zeros(twoParts), iotest.ErrReader(errCut))), proxy.Write{}); !errors.Is(err, errCut) {
			t.Fatal(err)
		}
		leases := 0
		s.fault = func(_ *http.Request, call string) (*http.Response, error) {
			if call == "Part 10000" {
				leases++
				return refusal(404, "NoSuchUpload", ""), nil
			}
			return nil, nil
		}
		begun := time.Now()
		_, err := f.Put(t.Context(), "/f", storetest.Source(zeros(1), storetest.First(twoParts)), proxy.Write{})
		if !errors.Is(err, syscall.EBUSY) || leases != resumeTries {
			t.Errorf("%v after %d tries, want %v after %d", err, leases, syscall.EBUSY, resumeTries)
		}
		if took := time.Since(begun); took < conflictPause || took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// A file that another process stores at a new name during the rename of a directory is not replaced by the copy.
func TestDirectoryRenameKeepsFileOfOtherProcess(t *testing.T) {
	c := embedded(t, "files")
	f := NewFS(c, Options{Bucket: "files"})
	if _, err := f.Put(t.Context(), "/d/x", storetest.Source(strings.NewReader("old")), proxy.Write{}); err != nil {
		t.Fatal(err)
	}
	once := true
	late := withSpy(t, f, func(call string, _ *http.Request) (*http.Response, error) {
		if call == "Copy" && once {
			once = false
			return nil, errOf(f.Put(t.Context(), "/e/x", storetest.Source(strings.NewReader("confirmed")), proxy.Write{}))
		}
		return nil, nil
	})
	if _, err := late.Rename(t.Context(), "/d", "/e", true); err == nil || once {
		t.Errorf("error %v; stored meanwhile: %v", err, !once)
	}
	checkFile(t, f, "/e/x", strings.NewReader("confirmed"))
	checkFile(t, f, "/d/x", strings.NewReader("old"))
}

// When a file is stored at the name of a failed upload of this process, the upload is aborted, also if S3 does not answer at first, unless
// another process has resumed it.
func TestSupersededUploadIsAbortedUnlessResumed(t *testing.T) {
	for name, store := range map[string]func(ctx context.Context, f *FS) error{
		"STOR": func(ctx context.Context, f *FS) error {
			return errOf(f.Put(ctx, "/f", storetest.Source(zeros(10)), proxy.Write{}))
		},
		"RNTO": func(ctx context.Context, f *FS) error { return errOf(f.Rename(ctx, "/there", "/f", true)) },
	} {
		for _, left := range []string{"resumed elsewhere", "resumed elsewhere before Abort is repeated", "resumed here", "not resumed"} {
			t.Run(name+" over one "+left, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newFake(t)
					process := func() *FS { return s.fs(Options{PartSize: minPart, Resume: time.Hour}) }
					f, other := process(), process()
					lost := left == "resumed elsewhere before Abort is repeated"
					s.fault = func(_ *http.Request, call string) (*http.Response, error) {
						switch {
						case call == "Abort" && lost:
							return nil, errors.New("connection reset by peer")
						case call == "Copy":
							return response(200, "<R><ETag>x</ETag></R>"), nil
						}
						return nil, nil
					}
					s.objects["/b/there"] = 10
					breaks := func(at int64) {
						content := io.MultiReader(zeros(twoParts), iotest.ErrReader(errCut))
						if _, err := f.Put(t.Context(), "/f", storetest.Source(content, storetest.First(at)), proxy.Write{}); !errors.Is(err, errCut) {
							t.Fatal(err)
						}
					}
					breaks(0)
					rest, over := newGate(zeros(twoParts)), make(chan error, 1)
					resumes := func() {
						go func() {
							over <- errOf(other.Put(context.WithoutCancel(t.Context()), "/f", storetest.Source(rest, storetest.First(twoParts)), proxy.Write{}))
						}()
						<-rest.there
						synctest.Wait()
					}
					switch left {
					case "resumed elsewhere":
						resumes()
					case "resumed here":
						breaks(twoParts)
					}
					if err := store(t.Context(), f); err != nil {
						t.Fatal(err)
					}
					awaitCleanUps(t, f)
					if lost {
						delete(s.objects, "/b/f")
						resumes()
						lost = false
						<-time.After(time.Hour)
						asked := s.count("ListParts")
						<-time.After(time.Hour)
						if s.count("ListParts") > asked {
							t.Error("the number of requests for the lease is not limited")
						}
					}
					resumed := strings.HasPrefix(left, "resumed elsewhere")
					if s.open != resumed {
						t.Errorf("the upload is open: %v, want %v", s.open, resumed)
					}
					if resumed {
						rest.end <- io.EOF
						if err := <-over; err != nil || s.objects["/b/f"] != 2*twoParts {
							t.Errorf("the session that has resumed it: %v, and %d bytes of %d", err, s.objects["/b/f"], 2*twoParts)
						}
					}
					f.client.Close()
				})
			})
		}
	}
}
