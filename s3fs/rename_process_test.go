package s3fs

import (
	"errors"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// An interloper runs a function once, after S3 has executed a request and before the client gets the answer.
type interloper struct {
	s3.HTTPClient
	after func(call, key string) bool // reports whether this is the request
	do    func()
	once  sync.Once
}

func (i *interloper) Do(r *http.Request) (*http.Response, error) {
	resp, err := i.HTTPClient.Do(r)
	if _, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/"); i.after(name(r), key) {
		i.once.Do(i.do)
	}
	return resp, err
}

// twoProcesses returns an FS with an interloper in its requests, and the FS of another process.
func twoProcesses(t *testing.T, c *Client, i *interloper) (a, b *FS) {
	t.Helper()
	o := c.api.Options()
	dialed := func(h s3.HTTPClient) *FS {
		return NewFS(dial(t, Config{
			Endpoint: *o.BaseEndpoint, Region: o.Region, Credentials: o.Credentials, HTTPClient: h, MaxBackoff: time.Millisecond,
		}), Options{Bucket: "files"})
	}
	i.HTTPClient = c.http
	return dialed(i), dialed(c.http)
}

// copied matches a copy to a key.
func copied(key string) func(string, string) bool {
	return func(call, to string) bool { return call == "Copy" && to == key }
}

// storeFiles stores files, each with the last letter of its name as content.
func storeFiles(t *testing.T, f *FS, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := f.Put(t.Context(), name, storetest.Source(strings.NewReader(name[len(name)-1:])), proxy.Write{}); err != nil {
			t.Fatal(err)
		}
	}
}

// A failed rename keeps a copy if another process has removed its source, because that process may have renamed the source to the
// name of the copy, or stored the same content there.
func TestFailedRenameKeepsCopyOfRemovedSource(t *testing.T) {
	bothStores(t, func(t *testing.T, c *Client) {
		for name, change := range map[string]func(b *FS) error{
			"renamed": func(b *FS) error { return errOf(b.Rename(t.Context(), "/d/x", "/e/x", true)) },
			"stored again": func(b *FS) error {
				return errors.Join(errOf(b.Put(t.Context(), "/e/x", storetest.Source(strings.NewReader("x")), proxy.Write{})), errOf(b.Remove(t.Context(), "/d/x")))
			},
		} {
			i := &interloper{after: copied("e/x")}
			a, b := twoProcesses(t, c, i)
			storeFiles(t, b, "/d/x", "/d/y")
			i.do = func() {
				if err := change(b); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if _, err := a.Rename(t.Context(), "/d", "/e", true); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			checkObject(t, b, "e/x", []byte("x"))
			checkObject(t, b, "e/y", []byte("y"))
			checkMissing(t, b, "/d")
			for _, file := range []string{"/e/x", "/e/y"} {
				if _, err := b.Remove(t.Context(), file); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// A marker that another session of the process creates at the new name during a rename is kept.
func TestRenameKeepsNewMarkerAtNewName(t *testing.T) {
	i := &interloper{after: func(string, string) bool { return false }}
	a, _ := twoProcesses(t, embedded(t, "files"), i)
	inSmallParts(a)
	if _, err := a.Put(t.Context(), "/d/x", storetest.Source(letters("x", 2*minPart)), proxy.Write{}); err != nil {
		t.Fatal(err)
	}
	i.after = func(call, _ string) bool { return call == "Create" }
	i.do = func() {
		if err := errors.Join(errOf(a.Rmdir(t.Context(), "/e")), errOf(a.Mkdir(t.Context(), "/e"))); err != nil {
			t.Error(err)
		}
	}
	if _, err := a.Rename(t.Context(), "/d", "/e", true); err != nil {
		t.Error(err)
	}
	if _, err := a.head(t.Context(), "e/"); err != nil {
		t.Errorf("the marker of MKD: %v", err)
	}
}

// A time that another session of the process sets while a rename copies the file in parts is kept.
func TestSetTimeDuringRenameInParts(t *testing.T) {
	bothStores(t, func(t *testing.T, c *Client) {
		for _, from := range []string{"/d", "/d/x"} {
			i := &interloper{after: func(string, string) bool { return false }}
			a, _ := twoProcesses(t, c, i)
			inSmallParts(a)
			if _, err := a.Put(t.Context(), "/d/x", storetest.Source(letters("x", 2*minPart)), proxy.Write{}); err != nil {
				t.Fatal(err)
			}
			if _, err := a.SetTime(t.Context(), "/d/x", time.Unix(1000, 0)); err != nil { // its ETag is that of a copy in parts
				t.Fatal(err)
			}
			i.after = func(call, key string) bool { return call == "Create" && strings.HasPrefix(key, "e") }
			i.do = func() {
				if _, err := a.SetTime(t.Context(), "/d/x", time.Unix(2000, 0)); err != nil {
					t.Error(err)
				}
			}
			if _, err := a.Rename(t.Context(), from, "/e", true); err != nil {
				t.Error(err)
			}
			kept := false
			for _, key := range []string{"d/x", "e", "e/x"} {
				is, err := a.head(t.Context(), key)
				kept = kept || err == nil && is.head.Metadata["mtime"] == "2000"
			}
			if !kept {
				t.Errorf("RNTO %s: the time is lost", from)
			}
			for _, name := range []string{"/d/x", "/e/x", "/e"} {
				a.Remove(t.Context(), name)
			}
		}
	})
}

// If a rename in another process reserves the name between the check and the marker of Mkdir, Mkdir fails. So the rename never
// deletes a marker of a successful Mkdir.
func TestMkdirOfReservedName(t *testing.T) {
	bothStores(t, func(t *testing.T, c *Client) {
		var made error
		var b *FS
		mkdir, looked := &interloper{}, make(chan struct{})
		reserved, over := make(chan struct{}), make(chan struct{})
		mkdir.after = func(call, _ string) bool { return call == "List" }
		mkdir.do = func() { close(looked); <-reserved }
		i := &interloper{after: func(call, key string) bool { return call == "Put" && key == "e/" }}
		b, _ = twoProcesses(t, c, mkdir)
		a, _ := twoProcesses(t, c, i)
		storeFiles(t, a, "/d/x")
		i.do = func() { close(reserved); <-over }
		go func() { _, made = b.Mkdir(t.Context(), "/e"); close(over) }()
		<-looked
		if _, err := a.Rename(t.Context(), "/d", "/e", true); err != nil || !errors.Is(made, fs.ErrExist) {
			t.Errorf("RNTO: %v, MKD: %v", err, made)
		}
	})
}

// If the answer to PutObject of the marker is lost, HEAD shows whether Mkdir has succeeded.
func TestMkdirWithLostAnswer(t *testing.T) {
	for contentType, want := range map[string]error{markerType: nil, markerType + "; reserved=x": fs.ErrExist} {
		s := newFake(t)
		s.makeTree(0, 0, func(r *http.Request, call string) (*http.Response, error) {
			put := s.count("Put")
			switch {
			case call == "Put" && put == 1:
				return nil, errors.New("connection reset by peer")
			case call == "Put":
				return refusal(412, "PreconditionFailed", ""), nil
			case call == "Head" && put > 0:
				resp := tagged("x")
				resp.Header.Set("Content-Type", contentType)
				return resp, nil
			case call == "List" && put > 0:
				return response(200, "<ListBucketResult><Contents><Key>e/</Key></Contents></ListBucketResult>"), nil
			}
			return nil, nil
		})
		if _, err := s.fs(Options{}).Mkdir(t.Context(), "/e"); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: %v, want %v", contentType, err, want)
		}
	}
}

// A time that another process sets during a rename is kept, whether the copy keeps the metadata or replaces them.
func TestSetTimeDuringRename(t *testing.T) {
	bothStores(t, func(t *testing.T, c *Client) {
		for moment, after := range map[string]func(call, key string) bool{
			"/b.txt": copied("b.txt"),
			"/b.jpg": func(call, _ string) bool { return call == "List" }, // before the copy
		} {
			i := &interloper{after: after}
			a, b := twoProcesses(t, c, i)
			storeFiles(t, b, "/a.txt")
			i.do = func() {
				if _, err := b.SetTime(t.Context(), "/a.txt", time.Unix(1000, 0)); err != nil {
					t.Error(err)
				}
			}
			if _, err := a.Rename(t.Context(), "/a.txt", moment, true); err != nil {
				t.Errorf("%s: %v", moment, err)
			}
			if is, err := b.Stat(t.Context(), moment); err != nil || is.ModTime.Unix() != 1000 {
				t.Errorf("%s: %v, %v", moment, is, err)
			}
			checkMissing(t, b, "/a.txt")
		}
	})
}

// A rename of a file with metadata that change at each try fails with EBUSY, and the file is not deleted.
func TestRenameOfFileWithChangingMetadata(t *testing.T) {
	s := newFake(t)
	s.fault = func(_ *http.Request, call string) (*http.Response, error) {
		switch call {
		case "Head":
			resp := tagged("x")
			resp.Header.Set("X-Amz-Meta-Mtime", strconv.Itoa(len(s.requests())))
			return resp, nil
		case "Copy":
			return response(200, `<R><ETag>"x"</ETag></R>`), nil
		}
		return nil, nil
	}
	if _, err := s.fs(Options{}).Rename(t.Context(), "/a", "/b", true); !errors.Is(err, syscall.EBUSY) {
		t.Error(err)
	}
	if n, deleted := s.count("Copy"), s.count("Delete"); n != renameTries || deleted > 0 {
		t.Errorf("%d copies, %d deletions", n, deleted)
	}
}

// If the service refuses x-amz-copy-source-if-match and the source is removed after the copy, the rename has succeeded.
func TestRenameOfFileRemovedAfterCopy(t *testing.T) {
	s := newFake(t)
	s.fault = func(r *http.Request, call string) (*http.Response, error) {
		switch {
		case call == "Copy" && r.Header.Get("X-Amz-Copy-Source-If-Match") != "":
			return refusal(501, "NotImplemented", ""), nil
		case call == "Copy":
			return response(200, `<R><ETag>"x"</ETag></R>`), nil
		case call == "Head" && s.count("Copy") < 2:
			return tagged("x"), nil
		}
		return nil, nil
	}
	if _, err := s.fs(Options{}).Rename(t.Context(), "/a", "/b", true); err != nil {
		t.Error(err)
	}
}

// A failed rename of a directory removes its copies, but not an object with the same content that another process stored in place of one.
func TestFailedRenameKeepsEqualObjectOfOtherProcess(t *testing.T) {
	s := newFake(t)
	s.makeTree(2, 1, func(r *http.Request, call string) (*http.Response, error) {
		q := r.URL.Query()
		switch {
		case call == "Copy" && r.URL.Path == "/b/e/0":
			return response(200, `<R><ETag>"x"</ETag><LastModified>2026-01-02T03:04:05.000Z</LastModified></R>`), nil
		case call == "Copy":
			return refusal(403, "AccessDenied", ""), nil
		case call == "List" && q.Get("prefix") == "e/" && q.Get("max-keys") == "":
			return response(200, `<ListBucketResult><Contents><Key>e/</Key><ETag>"x"</ETag></Contents>`+
				`<Contents><Key>e/0</Key><ETag>"x"</ETag><LastModified>2026-01-02T03:04:06.000Z</LastModified></Contents></ListBucketResult>`), nil
		}
		return nil, nil
	})
	if _, err := s.fs(Options{}).Rename(t.Context(), "/d", "/e", true); !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
	if removed := strings.Join(s.sent(), ""); strings.Contains(removed, "e/0") || !strings.Contains(removed, "<Key>e/</Key>") {
		t.Errorf("removed: %s", removed)
	}
}

// LastModified has a resolution of seconds or milliseconds, so equal times may differ in the fraction.
func TestCompareLastModifiedWithDifferentResolutions(t *testing.T) {
	at := time.Unix(1000, 0)
	for later, want := range map[time.Duration]bool{0: true, time.Microsecond: true, time.Millisecond: true, time.Second: false} {
		if got := sameTime(at, at.Add(later)); got != want {
			t.Errorf("a second and %v later: %v", later, got)
		}
	}
	at = at.Add(5 * time.Millisecond)
	if sameTime(at, at.Add(time.Millisecond)) || !sameTime(at, at.Add(time.Microsecond)) || !sameTime(at, time.Time{}) {
		t.Error("milliseconds are not compared")
	}
}

// A rename and the reverse one in another process may both copy before either deletes. One of the names must keep the file.
func TestConcurrentReverseRenames(t *testing.T) {
	bothStores(t, func(t *testing.T, c *Client) {
		first, second := &interloper{after: copied("b")}, &interloper{after: copied("a")}
		a, _ := twoProcesses(t, c, first)
		b, _ := twoProcesses(t, c, second)
		storeFiles(t, a, "/a")
		bothCopied, moved, over := make(chan struct{}), make(chan struct{}), make(chan error)
		first.do = func() {
			go func() { over <- errOf(b.Rename(t.Context(), "/b", "/a", true)) }()
			<-bothCopied
		}
		second.do = func() { close(bothCopied); <-moved }
		_, err := a.Rename(t.Context(), "/a", "/b", true)
		close(moved)
		back := <-over
		_, errA := a.Stat(t.Context(), "/a")
		_, errB := a.Stat(t.Context(), "/b")
		if errA != nil && errB != nil {
			t.Errorf("the file is lost; RNTO a b: %v, RNTO b a: %v", err, back)
		}
	})
}
