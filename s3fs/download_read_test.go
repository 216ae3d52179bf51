package s3fs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

func TestOpenIsOneRequest(t *testing.T) {
	s := newFake(t)
	s.fault = func(*http.Request, string) (*http.Response, error) {
		resp := dated("content")
		resp.Header.Set("Content-Length", "7")
		resp.Header.Set("X-Amz-Meta-Mtime", "1600000000.25")
		return resp, nil
	}
	f := s.fs(Options{})
	r, err := f.Open(t.Context(), "/f", proxy.Range{})
	if err != nil {
		t.Fatal(err)
	}
	if e := r.Entry(); e.Name != "f" || e.Size != 7 || !e.ModTime.Equal(time.UnixMilli(1600000000250)) {
		t.Errorf("the open version is %+v", e)
	}
	var text strings.Builder
	if n, err := r.(io.WriterTo).WriteTo(&text); n != 7 || err != nil || text.String() != "content" {
		t.Errorf("%d bytes %q, %v", n, text.String(), err)
	}
	s.checkCalls("Get")
	if f.budget.Stats().Used != 0 {
		t.Errorf("%d bytes are still out", f.budget.Stats().Used)
	}
}

func TestBrokenBodyIsAnError(t *testing.T) {
	s := newFake(t)
	s.fault = func(*http.Request, string) (*http.Response, error) {
		resp := dated("conte")
		resp.Header.Set("Content-Length", "7")
		return resp, nil
	}
	f := s.fs(Options{})
	for name, read := range map[string]func(io.Reader) error{
		"Read": func(r io.Reader) error {
			_, err := io.Copy(io.Discard, struct{ io.Reader }{r})
			return err
		},
		"WriteTo": func(r io.Reader) error {
			_, err := r.(io.WriterTo).WriteTo(io.Discard)
			return err
		},
	} {
		r, err := f.Open(t.Context(), "/f", proxy.Range{})
		if err != nil {
			t.Fatal(err)
		}
		if err := read(r); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v, want io.ErrUnexpectedEOF", name, err)
		}
	}
}

func TestIgnoredRangeIsAnError(t *testing.T) {
	s := newFake(t)
	s.fault = func(r *http.Request, _ string) (*http.Response, error) {
		if got := r.Header.Get("Range"); got != "bytes=3-" {
			t.Errorf("Range %q", got)
		}
		resp := dated("content")
		resp.Header.Set("Content-Length", "7")
		return resp, nil
	}
	if r, err := s.fs(Options{}).Open(t.Context(), "/f", proxy.Range{Offset: 3}); err == nil {
		r.Close()
		t.Error("the beginning of the file was taken for its end")
	}
}

func TestMtime(t *testing.T) {
	modified := time.Unix(5000, 0).UTC()
	for text, want := range map[string]time.Time{
		"":                     modified,
		"1600000000":           time.Unix(1600000000, 0).UTC(),
		"1600000000.5":         time.Unix(1600000000, 5e8).UTC(),
		"1600000000.123456789": time.Unix(1600000000, 123456789).UTC(),
		"-1.5":                 time.Unix(-2, 5e8).UTC(),
		"100000000001":         time.Date(5138, 11, 16, 9, 46, 41, 0, time.UTC),
		"253402300799.9999999": time.Date(9999, 12, 31, 23, 59, 59, 999999900, time.UTC),
		"-62104060800":         time.Date(2, 1, 1, 0, 0, 0, 0, time.UTC),
		"253402300800":         modified, // in the year 10000
		"1600000000.1x":        modified,
		"1600000000.-1":        modified,
		"--1":                  modified,
		".5":                   modified,
		"yesterday":            modified,
		"NaN":                  modified,
		"1e300":                modified,
		"-1e11":                modified, // in the year -1199
	} {
		if got := mtime(map[string]string{"mtime": text}, &modified); !got.Equal(want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// Stat returns the time of SetTime, for all years that MFMT can express.
func TestStatReturnsTimeOfSetTime(t *testing.T) {
	for year := 2; year <= 9999; year++ {
		for _, want := range []time.Time{time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(year, 12, 31, 23, 59, 59, 0, time.UTC)} {
			if got := mtime(map[string]string{"mtime": formatMtime(want)}, nil); !got.Equal(want) {
				t.Fatalf("%v is %v after formatting as %q", want, got, formatMtime(want))
			}
		}
	}
}

// The table has the requests of Stat for each kind of name, and its results.
func TestStatRequests(t *testing.T) {
	const some = "<ListBucketResult><Contents><Key>d/x</Key></Contents></ListBucketResult>"
	for name, test := range map[string]struct {
		name  string
		head  *http.Response
		list  *http.Response
		want  error
		dir   bool
		calls []string
	}{
		"root":                                 {name: "/", dir: true},
		"directory":                            {name: "/d/", list: response(200, some), dir: true, calls: []string{"List"}},
		"no directory":                         {name: "/d/", list: response(200, "<ListBucketResult></ListBucketResult>"), want: fs.ErrNotExist, calls: []string{"List"}},
		"file":                                 {name: "/d", head: dated(""), list: response(200, "<ListBucketResult></ListBucketResult>"), calls: []string{"Head", "List"}},
		"both":                                 {name: "/d", head: dated(""), list: response(200, some), calls: []string{"Head", "List"}},
		"either":                               {name: "/d", head: response(404, ""), list: response(200, some), dir: true, calls: []string{"Head", "List"}},
		"neither":                              {name: "/d", head: response(404, ""), list: response(200, "<ListBucketResult></ListBucketResult>"), want: fs.ErrNotExist, calls: []string{"Head", "List"}},
		"file where listing is not allowed":    {name: "/d", head: dated(""), list: refusal(403, "AccessDenied", ""), calls: []string{"Head", "List"}},
		"nothing where listing is not allowed": {name: "/d", head: response(403, ""), list: refusal(403, "AccessDenied", ""), want: fs.ErrPermission, calls: []string{"Head", "List"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFake(t)
			s.fault = func(_ *http.Request, call string) (*http.Response, error) {
				return map[string]*http.Response{"Head": test.head, "List": test.list}[call], nil
			}
			i, err := s.fs(Options{}).Stat(t.Context(), test.name)
			if !errors.Is(err, test.want) || err == nil && i.Dir != test.dir {
				t.Errorf("%v, %v; want %v, directory: %v", i, err, test.want, test.dir)
			}
			s.checkCalls(test.calls...)
		})
	}
}

// listing makes the fake answer ListObjectsV2 with pages of XML, each with the token of the next one.
func (s *fake) listing(pages ...string) {
	s.fault = func(r *http.Request, call string) (*http.Response, error) {
		if call != "List" {
			return nil, nil
		}
		n := 0
		fmt.Sscan(r.URL.Query().Get("continuation-token"), &n)
		more := ""
		if n+1 < len(pages) {
			more = fmt.Sprintf("<IsTruncated>true</IsTruncated><NextContinuationToken>%d</NextContinuationToken>", n+1)
		}
		return response(200, "<ListBucketResult><EncodingType>url</EncodingType>"+more+pages[n]+"</ListBucketResult>"), nil
	}
}

func file(key string) string { return "<Contents><Key>" + key + "</Key><Size>1</Size></Contents>" }
func sub(key string) string {
	return "<CommonPrefixes><Prefix>" + key + "</Prefix></CommonPrefixes>"
}

func TestListOmitsInvalidNames(t *testing.T) {
	s := newFake(t)
	s.listing(
		file("p/d/")+file("p/d/a")+file("p/d/a%2Bb+c%25")+file("p/d/new%0Aline")+file("p/d/..")+file("p/d/%FF")+sub("p/d//")+sub("p/d/./")+sub("p/d/a/"),
		sub("p/d/a/")+file("p/d/z"),
	)
	var got []string
	for i, err := range s.fs(Options{Prefix: "p"}).List(t.Context(), "/d", "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(i.Name, " ", i.Dir))
	}
	want := "[a false a+b c% false a true z false]"
	if fmt.Sprint(got) != want {
		t.Errorf("%v, want %v", got, want)
	}
	s.checkCalls("List x2")
}

func TestListPrefetchesNextPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		s.listing(file("1"), file("2"), file("3"), file("4"))
		seen := 0
		for _, err := range s.fs(Options{}).List(t.Context(), "/", "") {
			if err != nil {
				t.Fatal(err)
			}
			seen++
			synctest.Wait()
			if want := min(seen+1, 4); len(s.requests()) != want {
				t.Errorf("%d requests at entry %d, want %d", len(s.requests()), seen, want)
			}
		}
		if seen != 4 {
			t.Errorf("%d entries", seen)
		}
	})
}

func TestListEndsWithError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		s.listing(file("1"), file("2"))
		first := s.fault
		s.fault = func(r *http.Request, call string) (*http.Response, error) {
			if r.URL.Query().Has("continuation-token") {
				return refusal(403, "AccessDenied", ""), nil
			}
			return first(r, call)
		}
		var names []string
		var last error
		for i, err := range s.fs(Options{}).List(t.Context(), "/", "") {
			if err == nil {
				names = append(names, i.Name)
			}
			last = err
		}
		if len(names) != 1 || !errors.Is(last, fs.ErrPermission) {
			t.Errorf("%v, then %v", names, last)
		}
	})
}

func TestListOfAMissingBucket(t *testing.T) {
	s := newFake(t)
	s.fault = func(*http.Request, string) (*http.Response, error) { return refusal(404, "NoSuchBucket", ""), nil }
	for _, err := range s.fs(Options{}).List(t.Context(), "/", "") {
		e, ok := errors.AsType[*RequestError](err)
		if !errors.Is(err, errorsByCode["NoSuchBucket"]) || errors.Is(err, fs.ErrNotExist) || !ok || e.ID != "R1" {
			t.Errorf("error %v, want one that is about the bucket and has the ID of the request", err)
		}
	}
	s.checkCalls("List")
}
