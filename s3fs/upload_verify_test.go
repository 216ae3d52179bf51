package s3fs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// completedETag is that of objects that the fake makes of parts.
const completedETag = `"9f2b2cd5e2f6d4b1f4a5d6a1b1cfe5d0-2"`

// An upload of more than a second, or a resumed one, succeeds only if HEAD shows it as the current object. On AWS, a write or deletion
// since the start of the upload takes precedence, whatever the answer to Complete.
func TestLongUploadIsVerified(t *testing.T) {
	const size = 2*minPart + 7
	version := func(id string) map[string]string {
		return map[string]string{"ETag": completedETag, "X-Amz-Version-Id": id}
	}
	for name, test := range map[string]struct {
		head   *http.Response
		stands bool
	}{
		"it stands":                  {headAnswer(map[string]string{"ETag": completedETag}, size), true},
		"in another spelling":        {headAnswer(map[string]string{"ETag": `"9F2B2CD5E2F6D4B1F4A5D6A1B1CFE5D0-2"`}, size), true},
		"deleted":                    {response(404, ""), false},
		"replaced":                   {headAnswer(map[string]string{"ETag": `"00000000000000000000000000000000-2"`}, size), false},
		"replaced by a longer one":   {headAnswer(map[string]string{"ETag": completedETag}, size+1), false},
		"another version":            {headAnswer(version("v2"), size), false},
		"the version":                {headAnswer(version("v1"), size), true},
		"S3 does not tell":           {refusal(503, "SlowDown", ""), false},
		"the object may not be read": {response(403, ""), true},
		"ETags of another form":      {headAnswer(map[string]string{"ETag": `"9f2b2cd5e2f6d4b1f4a5d6a1b1cfe5d0"`}, size), true},
	} {
		for _, resumed := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newFake(t)
					s.fault = func(_ *http.Request, call string) (*http.Response, error) {
						switch call {
						case "Head":
							if !s.open && s.objects["/b/f"] > 0 {
								return test.head, nil
							}
						case "Complete":
							s.mu.Lock()
							defer s.mu.Unlock()
							s.open, s.objects["/b/f"] = false, size
							resp := response(200, "<R><ETag>"+completedETag+"</ETag></R>")
							resp.Header.Set("X-Amz-Version-Id", "v1")
							return resp, nil
						}
						return nil, nil
					}
					f := s.fs(Options{PartSize: minPart, Resume: time.Hour})
					var err error
					if resumed {
						_, err = f.Put(t.Context(), "/f", storetest.Source(io.MultiReader(zeros(2*minPart), iotest.ErrReader(errCut))), proxy.Write{})
						if !errors.Is(err, errCut) {
							t.Fatal(err)
						}
						_, err = f.Put(t.Context(), "/f", storetest.Source(zeros(7), storetest.First(2*minPart)), proxy.Write{})
					} else {
						_, err = f.Put(t.Context(), "/f", storetest.Source(io.MultiReader(zeros(2*minPart), &slowly{after: 2 * time.Second}, zeros(7))), proxy.Write{})
					}
					if (err == nil) != test.stands || errors.Is(err, fs.ErrNotExist) {
						t.Errorf("resumed: %v, error %v; want success: %v", resumed, err, test.stands)
					}
					if slices.Contains(s.requests(), "Abort") {
						t.Error("an upload that was complete is aborted")
					}
					allFree(t, f.budget)
				})
			})
		}
	}
}

// An ETag in another format is that of another object on AWS. Other services may use several formats for one object.
func TestETagInAnotherFormat(t *testing.T) {
	answer := func(etag string, size int64) *s3.HeadObjectOutput {
		return &s3.HeadObjectOutput{ETag: &etag, ContentLength: &size}
	}
	out := &s3.CompleteMultipartUploadOutput{ETag: aws.String(completedETag)}
	for endpoint, elsewhere := range map[string]bool{"": false, "https://s3.eu-west-1.amazonaws.com": false, "http://127.0.0.1:9000": true} {
		c := dial(t, Config{Endpoint: endpoint, Credentials: keys("a", "s")})
		for _, test := range []struct {
			now  *s3.HeadObjectOutput
			want bool
		}{{answer(`"1"`, 7), elsewhere}, {answer(`"1"`, 8), false}, {answer(`"1-2"`, 7), false}} {
			if got := c.hasOtherETagForm(expectedObject{size: 7}, out, test.now); got != test.want {
				t.Errorf("at %q, %s of %d bytes: %v, want %v", endpoint, *test.now.ETag, *test.now.ContentLength, got, test.want)
			}
		}
	}
}

// slowly is an empty reader that takes some time.
type slowly struct{ after time.Duration }

func (s *slowly) Read([]byte) (int, error) {
	<-time.After(s.after)
	return 0, io.EOF
}

// A short upload is verified only if this process has written to its key meanwhile.
func TestShortUploadIsNotVerified(t *testing.T) {
	for name, test := range map[string]struct {
		meanwhile func(context.Context, *FS) error
		verified  bool
	}{
		"nothing": {func(context.Context, *FS) error { return nil }, false},
		"another key": {func(ctx context.Context, f *FS) error {
			return errOf(f.Put(ctx, "/g", storetest.Source(zeros(1)), proxy.Write{}))
		}, false},
		"stored": {func(ctx context.Context, f *FS) error {
			return errOf(f.Put(ctx, "/f", storetest.Source(zeros(1)), proxy.Write{}))
		}, true},
		"deleted":             {func(ctx context.Context, f *FS) error { return f.delete(ctx, "f", "", nil) }, true},
		"deleted with others": {func(ctx context.Context, f *FS) error { return f.deleteAll(ctx, []string{"e", "f"}, nil) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				f := s.fs(Options{PartSize: minPart, Resume: time.Hour})
				g := newGate(zeros(twoParts))
				over := make(chan error, 1)
				go func() { over <- errOf(f.Put(t.Context(), "/f", storetest.Source(g), proxy.Write{})) }()
				<-g.there
				if err := test.meanwhile(t.Context(), f); err != nil {
					t.Fatal(err)
				}
				synctest.Wait() // for the lease
				before := len(s.requests())
				g.end <- io.EOF
				if err := <-over; err != nil {
					t.Error(err)
				}
				if got := slices.Contains(s.requests()[before:], "Head"); got != test.verified {
					t.Errorf("verified: %v, want %v", got, test.verified)
				}
			})
		})
	}
}

// S3 may have created the upload before a deletion that is confirmed before the answer to Create arrives. Then the object of the upload is
// never visible, so the upload must be verified.
func TestUploadIsVerifiedAfterDeletionDuringCreate(t *testing.T) {
	s := newFake(t)
	f := s.fs(Options{PartSize: minPart, Resume: time.Hour})
	s.fault = func(_ *http.Request, call string) (*http.Response, error) {
		if call == "Create" {
			return nil, f.delete(t.Context(), "f", "", nil)
		}
		return nil, nil
	}
	if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(twoParts)), proxy.Write{}); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(s.requests(), "Head") {
		t.Errorf("the upload was not verified: %v", s.requests())
	}
}

// On a service that orders uploads by their start, as AWS does, each of two uploads to a key succeeds only if its object is the current one.
func TestOverlappingUploads(t *testing.T) {
	for name, firstEnds := range map[string]bool{"the first ends first": true, "the first ends last": false} {
		t.Run(name, func(t *testing.T) {
			f := NewFS(embedded(t, "files"), Options{Bucket: "files", PartSize: minPart})
			begin := func(letter string) (*gate, chan error) {
				g, over := newGate(letters(letter, 2*minPart)), make(chan error, 1)
				go func() {
					over <- errOf(f.Put(context.WithoutCancel(t.Context()), "/f", storetest.Source(g), proxy.Write{}))
				}()
				<-g.there
				return g, over
			}
			first, firstOver := begin("a")
			second, secondOver := begin("b")
			if firstEnds {
				first.end <- io.EOF
				if err := <-firstOver; err != nil {
					t.Errorf("the first: %v", err)
				}
				checkFile(t, f, "/f", letters("a", 2*minPart))
			}
			second.end <- io.EOF
			if err := <-secondOver; err != nil {
				t.Errorf("the second: %v", err)
			}
			if !firstEnds {
				first.end <- io.EOF
				if err := <-firstOver; !errors.Is(err, errSuperseded) {
					t.Errorf("the first: %v, want that it is superseded", err)
				}
			}
			checkFile(t, f, "/f", letters("b", 2*minPart))
		})
	}
}

// If another program has deleted the file since the start of the upload, its object is never visible on AWS.
func TestResumedUploadAfterDeletionFails(t *testing.T) {
	c := embedded(t, "files")
	f := NewFS(c, Options{Bucket: "files", PartSize: minPart})
	if _, err := f.Put(t.Context(), "/f", storetest.Source(io.MultiReader(zeros(2*minPart), iotest.ErrReader(errCut))), proxy.Write{}); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	in := &s3.PutObjectInput{Bucket: aws.String("files"), Key: aws.String("f"), Body: zeros(1)}
	if _, err := c.api.PutObject(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if _, err := c.api.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: in.Bucket, Key: in.Key}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(7), storetest.First(2*minPart)), proxy.Write{}); !errors.Is(err, errSuperseded) {
		t.Errorf("error %v, want that it is superseded", err)
	}
	if at := resumableSize(t, f, "/f"); at != 0 {
		t.Errorf("the resumable size is %d", at)
	}
	if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(2*minPart+7)), proxy.Write{}); err != nil {
		t.Errorf("from the beginning: %v", err)
	}
}
