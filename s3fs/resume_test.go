package s3fs

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// letters returns a content of its own for each seed.
func letters(seed string, size int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8(sha256.Sum256([]byte(seed))), size)
}

// stands returns where a broken upload can be resumed, 0 if there is none.
func stands(t *testing.T, f *FS, name string) int64 {
	t.Helper()
	_, err := f.Stat(t.Context(), name)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("Stat of %s: %v, want that there is no file", name, err)
	}
	at, _ := errors.AsType[offsetError](err)
	return at.offset
}

func hexOf(t *testing.T, r io.Reader) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// has checks a file's content.
func has(t *testing.T, f *FS, name string, want io.Reader) {
	t.Helper()
	r, err := f.Open(t.Context(), name, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, want := hexOf(t, r), hexOf(t, want); got != want {
		t.Errorf("%s has %s, want %s", name, got, want)
	}
}

// replica returns another process's view of the same bucket.
func replica(t *testing.T, c *Client, bucket string) *FS {
	other := &Client{api: c.api, http: c.http, checksum: c.checksum, log: c.log}
	return New(other, Options{Bucket: bucket, PartSize: minPart})
}

// A gate is a reader that waits at the end of what it has, until it is told how that ends.
type gate struct {
	io.Reader
	there chan struct{} // closed when all has been read
	end   chan error
}

func newGate(r io.Reader) *gate {
	return &gate{r, make(chan struct{}), make(chan error, 1)}
}

func (g *gate) Read(p []byte) (int, error) {
	n, err := g.Reader.Read(p)
	if err == io.EOF {
		close(g.there)
		return n, <-g.end
	}
	return n, err
}

// TestResumeFromAnotherReplica resumes in one process what another one has begun and still holds. Whatever that one
// does then, there is no mixture: it changes nothing, or what it changes voids the other's upload, which can be resumed again.
func TestResumeFromAnotherReplica(t *testing.T) {
	c := minio(t, "replicas")
	for name, end := range map[string]error{"ends": io.EOF, "breaks": errCut} {
		t.Run(name, func(t *testing.T) {
			first, second := replica(t, c, "replicas"), replica(t, c, "replicas")
			file := "/" + name
			old := newGate(letters("a", 3*minPart+100))
			over := make(chan error, 1)
			go func() { over <- first.Put(context.WithoutCancel(t.Context()), file, old, Write{}) }()
			<-old.there
			at := int64(0)
			for at < 3*minPart { // the last part may still be on its way
				at = stands(t, second, file)
			}
			rest := newGate(letters("b", 2*minPart+7))
			result := make(chan error, 1)
			go func() { result <- second.Put(context.WithoutCancel(t.Context()), file, rest, Write{Offset: at}) }()
			<-rest.there
			old.end <- end
			oldErr := <-over
			rest.end <- io.EOF
			err := <-result
			switch {
			case err == nil && oldErr != nil:
				has(t, second, file, io.MultiReader(letters("a", at), letters("b", 2*minPart+7)))
			case err != nil && oldErr == nil:
				has(t, second, file, letters("a", 3*minPart+100))
			default:
				t.Errorf("the first ends with %v, the second with %v", oldErr, err)
			}
		})
	}
}

// TestZombieIsFenced has another process write over a part after the upload was resumed: what is published then would be
// a mixture, so nothing is.
func TestZombieIsFenced(t *testing.T) {
	c := minio(t, "zombie")
	f := replica(t, c, "zombie")
	if err := f.Put(t.Context(), "/f", io.MultiReader(letters("a", 2*minPart), iotest.ErrReader(errCut)), Write{}); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	g := newGate(letters("b", 100))
	result := make(chan error, 1)
	go func() { result <- f.Put(context.WithoutCancel(t.Context()), "/f", g, Write{Offset: 2 * minPart}) }()
	<-g.there
	b, err := f.broken(t.Context(), "f")
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.api.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: &f.bucket, Key: aws.String("f"), UploadId: &b.id, PartNumber: aws.Int32(firstPart),
		Body: strings.NewReader(strings.Repeat("z", minPart)), ChecksumCRC32C: aws.String(crcText([]byte(strings.Repeat("z", minPart))))})
	if err != nil {
		t.Fatal(err)
	}
	g.end <- io.EOF
	if err := <-result; err == nil {
		t.Error("a mixture was published")
	}
	if at := stands(t, f, "/f"); at != 0 {
		t.Errorf("it stands at %d, want 0: nobody knows whose the parts are", at)
	}
}

// TestTakenOverInOneProcess resumes what another session of the same process still holds, which then changes nothing.
func TestTakenOverInOneProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		f := s.fs(Options{PartSize: minPart, Resume: time.Hour})
		old := newGate(letters("a", 2*minPart+100))
		over := make(chan error, 1)
		go func() { over <- f.Put(context.WithoutCancel(t.Context()), "/f", old, Write{}) }()
		<-old.there
		synctest.Wait()
		if err := f.Put(t.Context(), "/f", letters("b", 10), Write{Offset: 2 * minPart}); err != nil {
			t.Fatal(err)
		}
		before := len(s.calls)
		old.end <- errCut
		if err := <-over; err == nil {
			t.Error("the one that was taken over ends well")
		}
		if later := s.calls[before:]; len(later) > 0 {
			t.Errorf("it asked for %q afterwards", later)
		}
		if s.objects["/b/f"] != 2*minPart+10 || f.memory.used != 0 {
			t.Errorf("published: %v; %d bytes taken", s.objects, f.memory.used)
		}
	})
}

// TestOnlyOursAreResumed: what another program has begun is neither resumed nor ended.
func TestOnlyOursAreResumed(t *testing.T) {
	for name, c := range map[string]*Client{"MinIO": minio(t, "theirs"), "embedded": embedded(t, "theirs")} {
		t.Run(name, func(t *testing.T) {
			f := New(c, Options{Bucket: "theirs", PartSize: minPart})
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
			if at := stands(t, f, "/f"); at != 0 {
				t.Errorf("it is said to stand at %d", at)
			}
			if err := f.Put(t.Context(), "/f", zeros(1), Write{Offset: 2 * minPart}); !errors.Is(err, syscall.ESPIPE) {
				t.Errorf("resumed: %v", err)
			}
			if err := f.Put(t.Context(), "/f", zeros(twoParts), Write{}); err != nil {
				t.Error(err)
			}
			if parts, err := f.listParts(t.Context(), "f", *begun.UploadId); err != nil || len(parts) != 2 {
				t.Errorf("the other program's upload has %d parts, %v", len(parts), err)
			}
		})
	}
}

func TestOldUploadsAreEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		f := s.fs(Options{PartSize: minPart, Resume: time.Hour})
		if err := f.Put(t.Context(), "/f", io.MultiReader(zeros(twoParts), iotest.ErrReader(errCut)), Write{}); !errors.Is(err, errCut) {
			t.Fatal(err)
		}
		<-time.After(time.Hour - time.Minute)
		if at := stands(t, f, "/f"); at != twoParts {
			t.Errorf("it stands at %d before its time, want %d", at, twoParts)
		}
		<-time.After(2 * time.Minute)
		if at := stands(t, f, "/f"); at != 0 || s.open {
			t.Errorf("it stands at %d after its time; open: %v", at, s.open)
		}
	})
}

// TestNoResumeWithoutListing: where uploads may not be listed, none is left, and nobody asks again.
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
		if err := f.Put(t.Context(), "/f", io.MultiReader(zeros(twoParts), iotest.ErrReader(errCut)), Write{}); !errors.Is(err, errCut) {
			t.Fatal(err)
		}
		if s.open {
			t.Error("an upload is left that nobody can find")
		}
	}
	s.made("Create x2", "Part 101 x2", "ListUploads", "Abort x2")
}

// TestKeptPartsGiveWay: the memory of what is kept for a break goes to whoever needs it.
func TestKeptPartsGiveWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		m := NewMemory(20 << 20)
		f := s.fs(Options{PartSize: minPart, Resume: time.Hour, Memory: m})
		old := newGate(zeros(minPart + 1000))
		over := make(chan error, 1)
		go func() { over <- f.Put(t.Context(), "/f", old, Write{}) }()
		<-old.there
		synctest.Wait()
		if m.used < minPart {
			t.Errorf("%d bytes are taken, so nothing is kept", m.used)
		}
		c := &claim{m: m, need: 16 << 20}
		for held := int64(0); held < c.need; held += slabSize {
			slab, err := c.take(t.Context(), slabSize, 0)
			if slab == nil || err != nil {
				t.Fatalf("after %d bytes: %v", held, err)
			}
			defer m.free(slab)
		}
		c.seal()
		old.end <- errCut
		if err := <-over; !errors.Is(err, errCut) {
			t.Error(err)
		}
		if at := stands(t, f, "/f"); at != minPart {
			t.Errorf("it stands at %d, want the whole part, %d", at, minPart)
		}
		if len(m.kept) > 0 {
			t.Error("a part is still kept")
		}
	})
}
