package s3fs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// Remove aborts the uploads to the key, also those of other processes, but neither those of other programs nor running ones of this
// process. On AWS, an upload that started before a deletion can complete without its object ever being visible.
func TestDeletionAbortsUploads(t *testing.T) {
	server := httptest.NewServer(embeddedStore(t, signed, "files"))
	t.Cleanup(server.Close)
	process := func() *FS {
		c := dial(t, Config{Endpoint: server.URL, Credentials: keys("demo", "demo-secret")})
		return otherProcess(t, c, func(string) {}, func(string) {})
	}
	for name, remove := range map[string]func(ctx context.Context, f *FS) error{
		"deleted":            func(ctx context.Context, f *FS) error { return errOf(f.Remove(ctx, "/d/x")) },
		"renamed":            func(ctx context.Context, f *FS) error { return errOf(f.Rename(ctx, "/d/x", "/elsewhere", true)) },
		"with its directory": func(ctx context.Context, f *FS) error { return errOf(f.Rename(ctx, "/d", "/renamed", true)) },
	} {
		t.Run(name, func(t *testing.T) {
			old, f := process(), process()
			if _, err := old.Put(t.Context(), "/d/x", storetest.Source(io.MultiReader(zeros(2*minPart), iotest.ErrReader(errCut))), proxy.Write{}); !errors.Is(err, errCut) {
				t.Fatal(err)
			}
			theirs, err := f.api.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &f.bucket, Key: aws.String("d/x")})
			if err != nil {
				t.Fatal(err)
			}
			running := newGate(zeros(2 * minPart))
			over := make(chan error, 1)
			go func() {
				over <- errOf(f.Put(context.WithoutCancel(t.Context()), "/d/x", storetest.Source(running), proxy.Write{}))
			}()
			<-running.there
			if _, err := f.Put(t.Context(), "/d/x", storetest.Source(strings.NewReader("whole")), proxy.Write{}); err != nil {
				t.Fatal(err)
			}
			nextSecond(t, f, "d/x") // a listing that is late takes an upload of the same second for a later one
			if err := remove(t.Context(), f); err != nil {
				t.Fatal(err)
			}
			awaitCleanUps(t, f)
			open, err := f.listUploadsTo(t.Context(), "d/x")
			if err != nil || len(open) != 2 {
				t.Errorf("%d uploads are open, %v; want the other program's, and the one that is running", len(open), err)
			}
			running.end <- errCut
			<-over
			if _, err := f.Remove(t.Context(), "/d/x"); err != nil {
				t.Errorf("removing the one that broke: %v", err)
			}
			if err := f.sendAbort(t.Context(), multipartUpload{"d/x", *theirs.UploadId}); err != nil {
				t.Error(err)
			}
			checkNoUploads(t, f, "d/x")
			f.Remove(t.Context(), "/elsewhere")
			f.Remove(t.Context(), "/renamed/x")
		})
	}
}

// A holder is an HTTP client that calls functions before a request and after its answer, with the name of the operation.
type holder struct {
	s3.HTTPClient
	before, after func(call string)
}

// Do implements s3.HTTPClient.
func (h *holder) Do(r *http.Request) (*http.Response, error) {
	h.before(name(r))
	defer h.after(name(r))
	return h.HTTPClient.Do(r)
}

// otherProcess returns an FS of another process in the bucket of a client.
func otherProcess(t *testing.T, c *Client, before, after func(call string)) *FS {
	t.Helper()
	o := c.api.Options()
	d := dial(t, Config{
		Endpoint: *o.BaseEndpoint, Region: o.Region, Credentials: o.Credentials, HTTPClient: &holder{c.http, before, after}, MaxBackoff: time.Millisecond,
	})
	return NewFS(d, Options{Bucket: "files", PartSize: minPart})
}

// nextSecond sends requests until the clock of S3 shows another second.
func nextSecond(t *testing.T, f *FS, key string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for begun := f.client.clock.time(); !f.client.clock.time().After(begun); <-tick.C {
		if _, err := f.head(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
}

// lateListing returns an FS of another process. Its first ListMultipartUploads closes asked, and waits for a call of list.
func lateListing(t *testing.T, c *Client) (f *FS, asked chan struct{}, list func()) {
	t.Helper()
	asked, hold, first := make(chan struct{}), make(chan struct{}), make(chan bool, 1)
	first <- true
	return otherProcess(t, c, func(call string) {
		if call == "ListUploads" {
			select {
			case <-first:
				close(asked)
				<-hold
			default:
			}
		}
	}, func(string) {}), asked, sync.OnceFunc(func() { close(hold) })
}

// An upload that starts and fails after Remove has returned, before the uploads are listed for the abort, is not aborted.
func TestDeletionKeepsLaterUploads(t *testing.T) {
	bothStores(t, func(t *testing.T, c *Client) {
		f, asked, list := lateListing(t, c)
		defer list()
		if _, err := f.Put(t.Context(), "/f", storetest.Source(strings.NewReader("old")), proxy.Write{}); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Remove(t.Context(), "/f"); err != nil {
			t.Fatal(err)
		}
		<-asked
		if _, err := f.Put(t.Context(), "/f", storetest.Source(io.MultiReader(zeros(2*minPart), iotest.ErrReader(errCut))), proxy.Write{}); !errors.Is(err, errCut) {
			t.Fatal(err)
		}
		list()
		awaitCleanUps(t, f)
		if at := resumableSize(t, NewFS(c, Options{Bucket: "files", PartSize: minPart}), "/f"); at != 2*minPart {
			t.Errorf("the resumable size of the upload that began after the reply is %d", at)
		}
	})
}

// After a failed Remove, the next one still aborts the failed uploads of this process, with their last leases.
func TestFailedDeletionRemembersUploads(t *testing.T) {
	s := newFake(t)
	f := s.fs(Options{PartSize: minPart, Resume: time.Hour})
	s.objects["/b/f"] = 3
	f.client.uploads.addSuspended("b/f", "left", lease{"l", openLeaseSize})
	f.client.uploads.addSuspended("b/f", "resumed", lease{"l", openLeaseSize})
	s.fault = func(_ *http.Request, call string) (*http.Response, error) {
		if call == "Delete" {
			f.client.uploads.addSuspended("b/f", "resumed", lease{"new", minLeaseSize})
			return refusal(403, "AccessDenied", ""), nil
		}
		return nil, nil
	}
	if _, err := f.Remove(t.Context(), "/f"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v", err)
	}
	awaitCleanUps(t, f)
	want := suspendedUploads{"left": {"l", openLeaseSize}, "resumed": {"new", minLeaseSize}}
	if got := f.client.uploads.takeSuspended("b/f"); !maps.Equal(got, want) {
		t.Errorf("%v is remembered, want %v", got, want)
	}
}

// An upload that another process starts after Rename of a directory has returned, before the uploads are listed for the abort, is not
// aborted.
func TestRenamedDirectoryKeepsLaterUploads(t *testing.T) {
	c := embedded(t, "files") // MinIO lists the uploads to one key only
	f, asked, list := lateListing(t, c)
	defer list()
	if _, err := f.Put(t.Context(), "/d/x", storetest.Source(strings.NewReader("old")), proxy.Write{}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Rename(t.Context(), "/d", "/e", true); err != nil {
		t.Fatal(err)
	}
	<-asked
	other := NewFS(c, Options{Bucket: "files", PartSize: minPart})
	if _, err := other.Put(t.Context(), "/d/x", storetest.Source(io.MultiReader(zeros(2*minPart), iotest.ErrReader(errCut))), proxy.Write{}); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	list()
	awaitCleanUps(t, f)
	if at := resumableSize(t, other, "/d/x"); at != 2*minPart {
		t.Errorf("the resumable size of the upload that began after the reply is %d", at)
	}
}
