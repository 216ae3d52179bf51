package s3fs

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// listedPart returns a part of the answer to ListParts.
func listedPart(number int, size int64, etag string) types.Part {
	return types.Part{PartNumber: aws.Int32(int32(number)), Size: &size, ETag: aws.String(`"` + etag + `"`)}
}

// Uploads of s3ftpd are recognised by their lease part. Those of other programs are not.
func TestOwnUploadsAreRecognized(t *testing.T) {
	f := newFake(t).fs(Options{})
	one := listedPart(1, minPart, "e1")
	for name, test := range map[string]struct {
		parts []types.Part
		want  bool
	}{
		"begun here":                       {[]types.Part{one, listedPart(10_000, openLeaseSize, "l")}, true},
		"resumed":                          {[]types.Part{one, listedPart(10_000, minLeaseSize, "l")}, true},
		"resumed, with a long lease":       {[]types.Part{one, listedPart(10_000, maxLeaseSize-1, "l")}, true},
		"only a lease":                     {[]types.Part{listedPart(10_000, openLeaseSize, "l")}, true},
		"the longest of ours":              {[]types.Part{one, listedPart(9_900, minPart, "e2"), listedPart(10_000, openLeaseSize, "l")}, true},
		"no parts":                         {nil, false},
		"another program's":                {[]types.Part{one}, false},
		"with a last part of another size": {[]types.Part{one, listedPart(10_000, openLeaseSize+1, "l")}, false},
		"with a long last part":            {[]types.Part{one, listedPart(10_000, maxLeaseSize, "l")}, false},
		"of 10,000 parts":                  {[]types.Part{one, listedPart(9_999, minPart, "e2"), listedPart(10_000, openLeaseSize, "l")}, false},
		"with another highest number":      {[]types.Part{one, listedPart(1_000, openLeaseSize, "l")}, false},
	} {
		if got := f.isOurs(test.parts); got != test.want {
			t.Errorf("%s: ours: %v, want %v", name, got, test.want)
		}
	}
}

// A lease covers the parts for which it was written, unless they have changed.
func TestLeaseCovers(t *testing.T) {
	var parts []types.Part
	for i := range 20 {
		parts = append(parts, listedPart(i+1, minPart+int64(i), fmt.Sprint("e", i)))
	}
	changed := slices.Clone(parts)
	changed[3] = listedPart(4, minPart+3, "another")
	grown := slices.Clone(parts)
	grown[3] = listedPart(4, minPart+4, "e3")
	for salt := range int64(leaseSalts) {
		for _, n := range []int{5, 20} {
			c := newPartsDigest("id", salt)
			for _, p := range parts[:n] {
				c.add(p.ETag, *p.Size)
			}
			l := listedPart(10_000, c.leaseSize(), "l")
			sum := c.leasePart().sum(crc32C)
			sum.set(&l.ChecksumCRC32C, &l.ChecksumCRC32, &l.ChecksumSHA256, new(*string))
			for name, test := range map[string]struct {
				id    string
				parts []types.Part
				want  int
			}{
				"as they were":       {"id", parts, n},
				"no others":          {"id", parts[:n], n},
				"one is missing":     {"id", parts[:n-1], 0},
				"one has changed":    {"id", changed, 0},
				"one has grown":      {"id", grown, 0},
				"of another upload":  {"other", parts, 0},
				"in other spelling":  {"id", upperCase(parts), n},
				"nothing was listed": {"id", nil, 0},
			} {
				if got := len(coveredParts(&l, test.id, test.parts)); got != test.want {
					t.Errorf("%d parts, salt %d, %s: %d are covered, want %d", n, salt, name, got, test.want)
				}
			}
			wrong := c.leasePart().sum(crc32C)
			wrong.value[0]++
			wrong.set(&l.ChecksumCRC32C, &l.ChecksumCRC32, &l.ChecksumSHA256, new(*string))
			if got := len(coveredParts(&l, "id", parts)); got != 0 {
				t.Errorf("with another content, the lease covers %d parts", got)
			}
		}
	}
	if all := listedPart(10_000, openLeaseSize, "l"); len(coveredParts(&all, "id", parts)) != len(parts) {
		t.Error("an open lease does not cover all")
	}
}

func upperCase(parts []types.Part) []types.Part {
	upper := slices.Clone(parts)
	for i := range upper {
		upper[i].ETag = aws.String(strings.ToUpper(*upper[i].ETag))
	}
	return upper
}

// completions records the part numbers in the CompleteMultipartUpload requests to a handler.
type completions struct {
	http.Handler
	mu   sync.Mutex
	list [][]int
}

func (c *completions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost && r.URL.Query().Has("uploadId") {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		var numbers []int
		for text := range strings.SplitSeq(string(body), "<PartNumber>") {
			var n int
			if _, err := fmt.Sscanf(text, "%d</PartNumber>", &n); err == nil {
				numbers = append(numbers, n)
			}
		}
		c.mu.Lock()
		c.list = append(c.list, numbers)
		c.mu.Unlock()
	}
	c.Handler.ServeHTTP(w, r)
}

// Completed uploads have parts numbered from 1 without a gap, because AWS refuses others for parts with checksums.
func TestPartsAreNumberedFromOne(t *testing.T) {
	seen := &completions{Handler: embeddedStore(t, signed, "files")}
	server := httptest.NewServer(seen)
	t.Cleanup(server.Close)
	c := dial(t, Config{Endpoint: server.URL, Credentials: keys("demo", "demo-secret")})
	f := NewFS(c, Options{Bucket: "files", PartSize: minPart})
	put := func(name string, r io.Reader, before ...proxy.Copy) func() error {
		return func() error { return errOf(f.Put(t.Context(), name, storetest.Source(r, before...), proxy.Write{})) }
	}
	for _, step := range []struct {
		name  string
		do    func() error
		parts int // -1 = it breaks
	}{
		{"an upload", put("/f", zeros(3*minPart+7)), 4},
		{"an append", put("/f", zeros(2*minPart), storetest.All()), 3},
		{"an overwrite of the end", put("/f", zeros(minPart), storetest.First(4*minPart)), 2},
		{"an upload that breaks", put("/g", io.MultiReader(zeros(2*minPart+7), iotest.ErrReader(errCut))), -1},
		{"its resumption", put("/g", zeros(2*minPart), storetest.First(2*minPart+7)), 4},
		{"a copy in parts", func() error { return errOf(inSmallParts(f).Rename(t.Context(), "/f", "/h", true)) }, 2},
	} {
		seen.list = nil
		if err := step.do(); step.parts < 0 && !errors.Is(err, errCut) || step.parts >= 0 && err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if step.parts < 0 {
			continue
		}
		if len(seen.list) != 1 || len(seen.list[0]) < step.parts {
			t.Fatalf("%s: completed %v, want one of %d parts at least", step.name, seen.list, step.parts)
		}
		for i, n := range seen.list[0] {
			if n != i+1 {
				t.Errorf("%s: parts %v, want 1, 2, 3 ...", step.name, seen.list[0])
				break
			}
		}
	}
}

// ETags that are not checksums are compared with those in the answers of S3, also by further processes.
func TestResumedWithOpaqueETags(t *testing.T) {
	for name, write := range map[string]func(etag string) string{
		"opaque": func(etag string) string {
			return strings.NewReplacer("0", "f", "1", "e", "2", "d", "3", "c").Replace(etag)
		},
		"upper case": strings.ToUpper,
		"long":       func(etag string) string { return etag + "-" + etag },
	} {
		for _, checksum := range []string{"auto", "md5", "none"} {
			t.Run(name+" "+checksum, func(t *testing.T) {
				s := newFake(t)
				s.etag = write
				process := func() *FS {
					c := dial(t, Config{Endpoint: "http://fake", Checksum: checksum, Credentials: keys("a", "s"), HTTPClient: s})
					return NewFS(c, Options{Bucket: "b", PartSize: minPart})
				}
				at := int64(0)
				for range 4 {
					f := process()
					if got := resumableSize(t, f, "/f"); got != at {
						t.Fatalf("the resumable size is %d, want %d", got, at)
					}
					_, err := f.Put(t.Context(), "/f", storetest.Source(io.MultiReader(zeros(2*minPart), iotest.ErrReader(errCut)), storetest.First(at)), proxy.Write{})
					if !errors.Is(err, errCut) {
						t.Fatal(err)
					}
					at += 2 * minPart
				}
				if _, err := process().Put(t.Context(), "/f", storetest.Source(zeros(7), storetest.First(at)), proxy.Write{}); err != nil || s.objects["/b/f"] != at+7 {
					t.Errorf("%v, and %d bytes, want %d", err, s.objects["/b/f"], at+7)
				}
			})
		}
	}
}

// An upload of an old version, with part numbers from 101, which AWS does not complete, is never resumed, and aborted when it is too old.
func TestUploadsOfOldVersions(t *testing.T) {
	for name, numbers := range map[string][]int{"begun": {101, 102}, "resumed": {100, 101, 102}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				f := s.fs(Options{PartSize: minPart, Resume: time.Hour})
				s.open, s.begun = true, time.Now()
				for _, n := range numbers {
					s.parts[n], s.tags[n] = minPart, "0123456789abcdef0123456789abcdef"
				}
				if at := resumableSize(t, f, "/f"); at != 0 || !s.open {
					t.Errorf("the resumable size is %d; the upload is open: %v", at, s.open)
				}
				<-time.After(time.Hour + time.Minute)
				at := resumableSize(t, f, "/f")
				if awaitCleanUps(t, f); at != 0 || s.open {
					t.Errorf("after it is too old, the resumable size is %d; the upload is open: %v", at, s.open)
				}
			})
		})
	}
}

// If the lease part cannot be written, the upload can still be completed; if it fails, it is aborted.
func TestNoLeaseNoResume(t *testing.T) {
	for name, r := range map[string]io.Reader{"complete": zeros(twoParts), "broken": io.MultiReader(zeros(twoParts), iotest.ErrReader(errCut))} {
		t.Run(name, func(t *testing.T) {
			s := newFake(t)
			s.fault = func(_ *http.Request, call string) (*http.Response, error) {
				if call == "Part 10000" {
					return refusal(400, "InvalidArgument", "Part number must be an integer between 1 and 1000"), nil
				}
				return nil, nil
			}
			f := s.fs(Options{PartSize: minPart, Resume: time.Hour})
			if _, err := f.Put(t.Context(), "/f", storetest.Source(r), proxy.Write{}); (err != nil) != (name == "broken") {
				t.Errorf("error %v", err)
			}
			if s.open {
				t.Error("an upload without a lease is open")
			}
		})
	}
}

// If a process is killed after the first part, other processes can resume its upload.
func TestUploadOfKilledProcessIsResumable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		f := s.fs(Options{PartSize: minPart, Resume: time.Hour})
		g := newGate(zeros(twoParts))
		over := make(chan error, 1)
		go func() { over <- errOf(f.Put(t.Context(), "/f", storetest.Source(g), proxy.Write{})) }()
		<-g.there
		synctest.Wait()
		other := s.fs(Options{PartSize: minPart, Resume: time.Hour})
		if at := resumableSize(t, other, "/f"); at != minPart {
			t.Errorf("another process sees %d bytes, want %d", at, minPart)
		}
		g.end <- io.EOF
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
}

// If two processes resume an upload at the same time, the one that wrote its lease last continues.
func TestConcurrentResumesOfOneUpload(t *testing.T) {
	s := newFake(t)
	f := s.fs(Options{PartSize: minPart, Resume: time.Hour})
	if _, err := f.Put(t.Context(), "/f", storetest.Source(io.MultiReader(zeros(2*minPart), iotest.ErrReader(errCut))), proxy.Write{}); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	leases := 0
	s.fault = func(_ *http.Request, call string) (*http.Response, error) {
		switch {
		case call == "Part 10000":
			leases++
		case call == "ListParts" && leases == 1:
			leases++
			s.parts[10_000], s.tags[10_000] = minLeaseSize+1, "of the rival"
		}
		return nil, nil
	}
	other := s.fs(Options{PartSize: minPart, Resume: time.Hour})
	if _, err := other.Put(t.Context(), "/f", storetest.Source(zeros(7), storetest.First(2*minPart)), proxy.Write{}); !errors.Is(err, errTakenOver) {
		t.Errorf("error %v, want that another session has resumed it", err)
	}
	if !s.open || s.parts[3] != 0 {
		t.Errorf("open: %v, %d bytes of another part", s.open, s.parts[3])
	}
}

// No data part has one of the highest numbers, which are for leases.
func TestDataPartsLeaveRoomForTheLease(t *testing.T) {
	for _, most := range []int{250, 1000, 10_000} {
		f := newFake(t).fs(Options{MaxParts: most})
		if got := f.planParts(0).maxParts; got != most-reservedPartNumbers {
			t.Errorf("of %d numbers, %d are for data, want %d", most, got, most-reservedPartNumbers)
		}
		there := &info{size: 600 << 20, head: &s3.HeadObjectOutput{ContentLength: aws.Int64(600 << 20), ETag: aws.String(`"e"`)}}
		u, err := f.appendTo(t.Context(), "f", proxy.Write{}, -1, there)
		if err != nil {
			t.Fatal(err)
		}
		r, err := u.resolveCopy(&proxy.Copy{Length: -1})
		if err != nil {
			t.Fatal(err)
		}
		u.sending.id, u.sending.pendingCopy = "id", &r
		u.startCopy()
		u.awaitCopies()
		u.close()
		if last := len(u.sending.parts) + u.receiving.plan.maxParts; len(u.sending.parts) == 0 || last != most-reservedPartNumbers {
			t.Errorf("an append has parts up to %d, want %d", last, most-reservedPartNumbers)
		}
	}
}
