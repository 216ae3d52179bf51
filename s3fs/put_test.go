package s3fs

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

const twoParts = 5<<20 + 1000 // bytes, with parts of 5 MiB

var errCut = errors.New("cut")

func TestSmallPutIsOneRequest(t *testing.T) {
	for _, size := range []int{0, 1, 5 << 20} {
		s := newFake(t)
		if err := s.fs(Options{PartSize: minPart}).Put(t.Context(), "/f.txt", zeros(size), Write{}); err != nil {
			t.Fatal(err)
		}
		s.made("Put")
		for header, want := range map[string]string{
			"X-Amz-Content-Sha256":         "UNSIGNED-PAYLOAD",
			"X-Amz-Checksum-Crc32c":        crcText(make([]byte, size)),
			"X-Amz-Sdk-Checksum-Algorithm": "",
			"X-Amz-Trailer":                "",
			"Content-Encoding":             "",
			"Content-Md5":                  "",
			"If-None-Match":                "",
			"Content-Type":                 "text/plain",
		} {
			if got := s.header("Put", header); got != want {
				t.Errorf("%d bytes: %s: %q, want %q", size, header, got, want)
			}
		}
	}
}

func TestMultipartIsCheckedAsAWhole(t *testing.T) {
	s := newFake(t)
	if err := s.fs(Options{PartSize: minPart}).Put(t.Context(), "/f", zeros(twoParts), Write{New: true}); err != nil {
		t.Fatal(err)
	}
	s.made("Create", "Part 101", "Part 102", "Complete")
	for _, want := range []struct{ call, header, value string }{
		{"Create", "X-Amz-Checksum-Algorithm", "CRC32C"},
		{"Create", "X-Amz-Checksum-Type", "FULL_OBJECT"},
		{"Part 101", "X-Amz-Checksum-Crc32c", crcText(make([]byte, 5<<20))},
		{"Part 102", "X-Amz-Checksum-Crc32c", crcText(make([]byte, 1000))},
		{"Part 102", "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"},
		{"Complete", "X-Amz-Checksum-Crc32c", crcText(make([]byte, twoParts))},
		{"Complete", "X-Amz-Checksum-Type", "FULL_OBJECT"},
		{"Complete", "If-None-Match", "*"},
	} {
		if got := s.header(want.call, want.header); got != want.value {
			t.Errorf("%s: %s: %q, want %q", want.call, want.header, got, want.value)
		}
	}
}

// TestPutFaults says for each fault what Put returns, which requests it made of it, and whether there is a file.
func TestPutFaults(t *testing.T) {
	refuse := func(call string, times, status int, code string) func(*http.Request, string) (*http.Response, error) {
		return func(_ *http.Request, c string) (*http.Response, error) {
			if c != call || times == 0 {
				return nil, nil
			}
			synctest.Wait() // until all else has gone as far as it goes
			times--
			return refusal(status, code, ""), nil
		}
	}
	calls := func(calls ...string) []string { return calls }
	for name, test := range map[string]struct {
		reader    io.Reader
		write     Write
		fault     func(*http.Request, string) (*http.Response, error)
		want      error // nil = none; errAny = some
		calls     []string
		published bool
	}{
		"reader breaks in a small file": {
			reader: io.MultiReader(zeros(100), iotest.ErrReader(errCut)), want: errCut,
		},
		"reader breaks in the second part": {
			reader: io.MultiReader(zeros(twoParts), slow{iotest.ErrReader(errCut), time.Second}), want: errCut,
			calls: calls("Create", "Part 101", "Abort"),
		},
		"reader breaks after a whole part": {
			reader: io.MultiReader(zeros(5<<20), iotest.ErrReader(errCut)), want: errCut,
		},
		"a part is refused": {
			reader: zeros(twoParts), fault: refuse("Part 102", -1, 400, "InvalidRequest"), want: errAny,
			calls: calls("Create", "Part 101", "Part 102", "Abort"),
		},
		"a part succeeds in the end": {
			reader: zeros(twoParts), fault: refuse("Part 102", 7, 503, "SlowDown"), published: true,
			calls: calls("Create", "Part 101", "Part 102 x8", "Complete"),
		},
		"a part never succeeds": {
			reader: zeros(twoParts), fault: refuse("Part 101", -1, 503, "SlowDown"), want: errAny,
			calls: calls("Create", "Part 101 x8", "Part 102", "Abort"),
		},
		"a part was damaged on its way": {
			reader: zeros(twoParts), fault: refuse("Part 101", 1, 400, "BadDigest"), published: true,
			calls: calls("Create", "Part 101 x2", "Part 102", "Complete"),
		},
		"a small file was damaged on its way": {
			reader: zeros(10), fault: refuse("Put", 1, 400, "XAmzContentChecksumMismatch"), published: true,
			calls: calls("Put x2"),
		},
		"no upload is begun": {
			reader: zeros(twoParts), fault: refuse("Create", -1, 403, "AccessDenied"), want: fs.ErrPermission,
			calls: calls("Create"),
		},
		"Complete answers 200 with an error": {
			reader: zeros(twoParts), fault: func(_ *http.Request, c string) (*http.Response, error) {
				if c == "Complete" {
					return refusal(200, "InternalError", "try again"), nil
				}
				return nil, nil
			}, want: errAny,
			calls: calls("Create", "Part 101", "Part 102", "Complete x4", "Head", "Abort"),
		},
		"the name is taken meanwhile": {
			reader: zeros(twoParts), write: Write{New: true}, fault: refuse("Complete", -1, 412, "PreconditionFailed"), want: fs.ErrExist,
			calls: calls("Create", "Part 101", "Part 102", "Complete", "Head", "Abort"),
		},
		"the name is taken": {
			reader: zeros(10), write: Write{New: true}, fault: refuse("Put", -1, 412, "PreconditionFailed"), want: fs.ErrExist,
			calls: calls("Put"),
		},
		"the bucket is missing": {
			reader: zeros(10), fault: refuse("Put", -1, 404, "NoSuchBucket"), want: words["NoSuchBucket"], calls: calls("Put"),
		},
		"the storage is full": {
			reader: zeros(10), fault: refuse("Put", -1, 507, "XMinioStorageFull"), want: syscall.ENOSPC, calls: calls("Put"),
		},
		"more is announced than fits": {
			reader: zeros(10), write: Write{Size: 1 << 50}, want: syscall.EFBIG,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				s.fault = test.fault
				f := s.fs(Options{PartSize: minPart})
				err := f.Put(t.Context(), "/f", test.reader, test.write)
				if test.want == errAny && err == nil || test.want != errAny && !errors.Is(err, test.want) {
					t.Errorf("error %v, want %v", err, test.want)
				}
				s.made(test.calls...)
				if _, ok := s.objects["/b/f"]; ok != test.published {
					t.Errorf("published: %v, want %v", ok, test.published)
				}
				if s.open || f.memory.used != 0 {
					t.Errorf("left behind: an upload: %v, bytes: %d", s.open, f.memory.used)
				}
			})
		})
	}
}

var errAny = errors.New("any error")

func TestLostAnswerToCompleteIsFoundOut(t *testing.T) {
	for name, size := range map[string]int64{"published": twoParts, "something else is there": 7} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				s.fault = func(_ *http.Request, call string) (*http.Response, error) {
					switch call {
					case "Complete":
						s.open = false
						s.objects["/b/f"] = size
						return nil, errors.New("connection reset by peer")
					case "Head":
						resp := response(200, "")
						resp.Header.Set("Content-Length", fmt.Sprint(size))
						first, second := md5.Sum(make([]byte, minPart)), md5.Sum(make([]byte, twoParts-minPart))
						resp.Header.Set("ETag", fmt.Sprintf(`"%x-2"`, md5.Sum(append(first[:], second[:]...))))
						return resp, nil
					}
					return nil, nil
				}
				err := s.fs(Options{PartSize: minPart}).Put(t.Context(), "/f", zeros(twoParts), Write{})
				if published := size == twoParts; (err == nil) != published {
					t.Errorf("error %v, published: %v", err, published)
				}
			})
		})
	}
}

func TestPutStopsReadingWhenAPartFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		s.fault = func(_ *http.Request, call string) (*http.Response, error) {
			if call == "Part 101" {
				return refusal(400, "InvalidRequest", ""), nil
			}
			return nil, nil
		}
		read := int64(0)
		err := s.fs(Options{PartSize: minPart}).Put(t.Context(), "/f", counter{slow{endless{}, time.Second}, &read}, Write{})
		if err == nil || read > 8<<20 {
			t.Errorf("error %v after %d bytes, want one soon after the first part", err, read)
		}
	})
}

func TestPutIsNotTakenBackOnceItIsWhole(t *testing.T) {
	for _, size := range []int{100, twoParts} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			s := newFake(t)
			s.fault = func(r *http.Request, call string) (*http.Response, error) {
				if call == "Put" || call == "Complete" {
					cancel()
					return nil, r.Context().Err()
				}
				return nil, nil
			}
			if err := s.fs(Options{PartSize: minPart}).Put(ctx, "/f", zeros(size), Write{}); err != nil {
				t.Errorf("%d bytes: %v", size, err)
			}
			if s.objects["/b/f"] != int64(size) {
				t.Errorf("%d bytes published, want %d", s.objects["/b/f"], size)
			}
		})
	}
}

func TestRefusedChecksumIsReplaced(t *testing.T) {
	for _, refusalOf := range []*http.Response{
		refusal(501, "NotImplemented", "Header 'x-amz-checksum-crc32c' with value 'x' not implemented"),
		refusal(400, "InvalidRequest", "Unsupported header 'x-amz-checksum-crc32c' received for this API call."),
	} {
		s := newFake(t)
		text, _ := io.ReadAll(refusalOf.Body)
		s.fault = func(r *http.Request, call string) (*http.Response, error) {
			for header := range r.Header {
				if strings.HasPrefix(header, "X-Amz-Checksum-") {
					return response(refusalOf.StatusCode, string(text)), nil
				}
			}
			return nil, nil
		}
		f := s.fs(Options{PartSize: minPart})
		for range 2 {
			if err := f.Put(t.Context(), "/f", zeros(10), Write{}); err != nil {
				t.Fatal(err)
			}
		}
		s.made("Put x3")
		if got := s.headers[2].Get("Content-Md5"); got != "pj+cXcmbrQ4Se8pbzSMNWQ==" && len(got) != 24 {
			t.Errorf("Content-MD5 %q", got)
		}
		s.calls = nil
		if err := f.Put(t.Context(), "/f", zeros(twoParts), Write{}); err != nil {
			t.Fatal(err)
		}
		s.made("Create", "Part 101", "Part 102", "Complete")
	}
}

func TestWrongChecksumIsNotReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		s.fault = func(*http.Request, string) (*http.Response, error) {
			return refusal(400, "BadDigest", "the checksum did not match"), nil
		}
		if err := s.fs(Options{}).Put(t.Context(), "/f", zeros(10), Write{}); err == nil {
			t.Error("no error")
		}
		s.made("Put x4")
	})
}

func zeros(n int) io.Reader { return bytes.NewReader(make([]byte, n)) }

// slow delivers what r has in pieces of a slab or less, each after a pause.
type slow struct {
	io.Reader
	pause time.Duration
}

func (s slow) Read(p []byte) (int, error) {
	<-time.After(s.pause)
	return s.Reader.Read(p)
}

type counter struct {
	io.Reader
	n *int64
}

func (c counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	*c.n += int64(n)
	return n, err
}

// TestCreatedUploadIsEnded: a caller who gives up while S3 begins an upload leaves none behind.
func TestCreatedUploadIsEnded(t *testing.T) {
	s := newFake(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	s.fault = func(r *http.Request, call string) (*http.Response, error) {
		if call == "Create" {
			cancel(errCut)
			return nil, r.Context().Err()
		}
		return nil, nil
	}
	if err := s.fs(Options{PartSize: minPart}).Put(ctx, "/f", zeros(twoParts), Write{}); !errors.Is(err, errCut) {
		t.Errorf("error %v, want %v", err, errCut)
	}
	if s.calls[0] != "Create" || s.calls[len(s.calls)-1] != "Abort" || s.open {
		t.Errorf("requests %q", s.calls)
	}
}
