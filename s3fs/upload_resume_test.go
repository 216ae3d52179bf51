package s3fs

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// resumableSize returns the size of the resumable upload, or 0.
func resumableSize(t *testing.T, f *FS, name string) int64 {
	t.Helper()
	e, err := f.Stat(t.Context(), name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) || err == nil && !e.Resumable {
		t.Fatalf("Stat of %s: %+v, %v, want fs.ErrNotExist", name, e, err)
	}
	return e.Size
}

// checkFile checks the content of a file.
func checkFile(t *testing.T, f *FS, name string, want io.Reader) {
	t.Helper()
	r, err := f.Open(t.Context(), name, proxy.Range{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, want := hexOf(t, r), hexOf(t, want); got != want {
		t.Errorf("%s has %s, want %s", name, got, want)
	}
}

// Uploads of other programs are neither resumed nor aborted.
func TestUploadsOfOtherProgramsAreNotResumed(t *testing.T) {
	for name, c := range map[string]*Client{"MinIO": minio(t, "theirs"), "embedded": embedded(t, "theirs")} {
		t.Run(name, func(t *testing.T) {
			f := NewFS(c, Options{Bucket: "theirs", PartSize: minPart})
			begun, err := c.api.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &f.bucket, Key: aws.String("f")})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 2 {
				_, err := c.api.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: &f.bucket, Key: aws.String("f"), UploadId: begun.UploadId,
					PartNumber: aws.Int32(int32(i + 1)), Body: zeros(minPart)})
				if err != nil {
					t.Fatal(err)
				}
			}
			if at := resumableSize(t, f, "/f"); at != 0 {
				t.Errorf("the resumable size is %d", at)
			}
			if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(1), storetest.First(2*minPart)), proxy.Write{}); !errors.Is(err, syscall.ESPIPE) {
				t.Errorf("resumed: %v", err)
			}
			if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(twoParts)), proxy.Write{}); err != nil {
				t.Error(err)
			}
			if parts, err := f.listParts(t.Context(), "f", *begun.UploadId); err != nil || len(parts) != 2 {
				t.Errorf("the other program's upload has %d parts, %v", len(parts), err)
			}
		})
	}
}

// Of a failed upload and a file, the newer one determines the offset at which an upload continues.
func TestNewerOfUploadAndFileDeterminesOffset(t *testing.T) {
	const size = 1000
	for name, test := range map[string]struct {
		made time.Duration // the file, after the upload was begun
		want int64
	}{
		"the file is newer":   {time.Minute, size},
		"both are as new":     {0, twoParts},
		"the upload is newer": {-time.Minute, twoParts},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				f := s.fs(Options{PartSize: minPart, Resume: time.Hour})
				if _, err := f.Put(t.Context(), "/f", storetest.Source(io.MultiReader(zeros(twoParts), iotest.ErrReader(errCut))), proxy.Write{}); !errors.Is(err, errCut) {
					t.Fatal(err)
				}
				s.fault = func(_ *http.Request, call string) (*http.Response, error) {
					if call == "Head" {
						return headAnswer(map[string]string{"Last-Modified": s.begun.Add(test.made).UTC().Format(http.TimeFormat)}, size), nil
					}
					return nil, nil
				}
				_, err := f.Put(t.Context(), "/f", storetest.Source(zeros(1), storetest.First(twoParts+1)), proxy.Write{})
				if e, ok := errors.AsType[*proxy.OffsetError](err); !errors.Is(err, syscall.ESPIPE) || !ok || e.Offset != test.want {
					t.Errorf("error %v, want an OffsetError with %d", err, test.want)
				}
			})
		})
	}
}

func TestOldUploadsAreAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		f := s.fs(Options{PartSize: minPart, Resume: time.Hour})
		if _, err := f.Put(t.Context(), "/f", storetest.Source(io.MultiReader(zeros(twoParts), iotest.ErrReader(errCut))), proxy.Write{}); !errors.Is(err, errCut) {
			t.Fatal(err)
		}
		<-time.After(time.Hour - time.Minute)
		if at := resumableSize(t, f, "/f"); at != twoParts {
			t.Errorf("before it is too old, the resumable size is %d, want %d", at, twoParts)
		}
		<-time.After(2 * time.Minute)
		at := resumableSize(t, f, "/f")
		if awaitCleanUps(t, f); at != 0 || s.open {
			t.Errorf("after it is too old, the resumable size is %d; the upload is open: %v", at, s.open)
		}
	})
}

// If listing uploads is denied, failed uploads are aborted, and the list is not requested again.
func TestNoResumeWithoutListing(t *testing.T) {
	s := newFake(t)
	s.fault = func(_ *http.Request, call string) (*http.Response, error) {
		if call == "ListUploads" {
			return refusal(403, "AccessDenied", ""), nil
		}
		return nil, nil
	}
	f := s.fs(Options{PartSize: minPart, Resume: time.Hour})
	for range 2 {
		if _, err := f.Put(t.Context(), "/f", storetest.Source(io.MultiReader(zeros(twoParts), iotest.ErrReader(errCut))), proxy.Write{}); !errors.Is(err, errCut) {
			t.Fatal(err)
		}
		if s.open {
			t.Error("an upload is open that cannot be listed")
		}
	}
	s.checkCalls("Create x2", "Part 1 x2", "Part 10000 x2", "ListUploads", "Abort x2")
}
