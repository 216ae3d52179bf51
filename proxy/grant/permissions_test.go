package grant

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

const dropbox = proxy.PermWrite | proxy.PermMkdir

// A counter counts the operations that reach the store below.
type counter struct {
	proxy.Store
	calls []string
}

func (c *counter) Stat(ctx context.Context, name string) (proxy.Entry, error) {
	c.calls = append(c.calls, "Stat "+name)
	return c.Store.Stat(ctx, name)
}

func (c *counter) Put(ctx context.Context, name string, src proxy.Source, w proxy.Write) (proxy.Stored, error) {
	call := "Put " + name
	if w.New {
		call += " new"
	}
	if w.Early {
		call += " early"
	}
	c.calls = append(c.calls, call)
	return c.Store.Put(ctx, name, src, w)
}

func (c *counter) took() string {
	took := strings.Join(c.calls, ", ")
	c.calls = nil
	return took
}

var errBroken = errors.New("the data connection was lost")

// broken stores the beginning of a file, and fails.
func broken(t *testing.T, s proxy.Store, name, content string) {
	t.Helper()
	src := storetest.Source(io.MultiReader(strings.NewReader(content), iotest.ErrReader(errBroken)))
	if _, err := s.Put(t.Context(), name, src, proxy.Write{}); !errors.Is(err, errBroken) {
		t.Fatalf("%v, want %v", err, errBroken)
	}
}

func resume(t *testing.T, s proxy.Store, name, more string, offset int) error {
	t.Helper()
	_, err := s.Put(t.Context(), name, storetest.Source(strings.NewReader(more), storetest.First(int64(offset))), proxy.Write{})
	return err
}

func content(t *testing.T, s proxy.Store, name string) string {
	t.Helper()
	r, err := s.Open(t.Context(), name, proxy.Range{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A user without list and read cannot tell files of others from names that do not exist.
func TestFilesAreHidden(t *testing.T) {
	memory := storetest.NewMemory()
	put(t, memory, "/file", "secret")
	put(t, memory, "/d/f", "secret")
	broken(t, memory, "/half", "secr")
	for _, allowed := range []proxy.Permissions{0, dropbox, dropbox | proxy.PermOverwrite, proxy.PermAll &^ (proxy.PermList | proxy.PermRead)} {
		s := Permissions(memory, Rules{Allowed: allowed})
		_, missing := s.Stat(t.Context(), "/none")
		if !errors.Is(missing, proxy.ErrDenied) || !errors.Is(missing, fs.ErrNotExist) {
			t.Errorf("%v: a missing file: %v", allowed, missing)
		}
		hidden := []string{"/file", "/d/f"}
		if allowed&proxy.PermOverwrite == 0 { // others may resume it
			hidden = append(hidden, "/half")
		}
		for _, name := range hidden {
			e, err := s.Stat(t.Context(), name)
			if want := strings.ReplaceAll(missing.Error(), "/none", name); err == nil || err.Error() != want {
				t.Errorf("%v: %s: %+v, %v; want %s", allowed, name, e, err, want)
			}
		}
		for _, name := range []string{"/d", "/d/", "/"} {
			if e, err := s.Stat(t.Context(), name); err != nil || !e.Dir || e.Denied != proxy.PermAll&^allowed {
				t.Errorf("%v: %s: %+v, %v", allowed, name, e, err)
			}
		}
		if _, err := s.Stat(t.Context(), "/file/"); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, proxy.ErrDenied) {
			t.Errorf("%v: no directory: %v", allowed, err)
		}
	}
}

// A session sees what it has written, and may set its time, but may not read or replace it. Another session of the user sees nothing.
func TestOwnFiles(t *testing.T) {
	ctx, memory, uploads := t.Context(), storetest.NewMemory(), new(Uploads)
	s := Permissions(memory, Rules{Allowed: dropbox, Uploads: uploads})
	put(t, s, "/d/f", "12345")
	if e, err := s.Stat(ctx, "/d/f"); err != nil || e.Size != 5 || e.Denied != proxy.PermAll&^dropbox {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := s.SetTime(ctx, "/d/f", time.Unix(1, 0)); err != nil {
		t.Error(err)
	}
	if _, err := s.Open(ctx, "/d/f", proxy.Range{}); !errors.Is(err, proxy.ErrDenied) {
		t.Errorf("open: %v", err)
	}
	if err := resume(t, s, "/d/f", "67", 5); !errors.Is(err, proxy.ErrDenied) || !errors.Is(err, fs.ErrExist) {
		t.Errorf("append: %v", err)
	}
	other := Permissions(memory, Rules{Allowed: dropbox, Uploads: uploads})
	if e, err := other.Stat(ctx, "/d/f"); !errors.Is(err, proxy.ErrDenied) {
		t.Errorf("another session: %+v, %v", e, err)
	}
	if _, err := other.SetTime(ctx, "/d/f", time.Unix(2, 0)); !errors.Is(err, proxy.ErrDenied) {
		t.Errorf("the time in another session: %v", err)
	}
}

// What a session has written it may see under a new name, and no more under the old one.
func TestOwnFilesAreRenamedAndRemoved(t *testing.T) {
	ctx, memory := t.Context(), storetest.NewMemory()
	s := Permissions(memory, Rules{Allowed: dropbox | proxy.PermRename | proxy.PermDelete})
	put(t, s, "/tmp", "12345")
	put(t, memory, "/other", "1")
	for _, names := range [][2]string{{"/tmp", "/final"}, {"/other", "/tmp"}} {
		if _, err := s.Rename(ctx, names[0], names[1], false); err != nil {
			t.Fatal(err)
		}
	}
	if e, err := s.Stat(ctx, "/final"); err != nil || e.Size != 5 {
		t.Errorf("the new name: %+v, %v", e, err)
	}
	if e, err := s.Stat(ctx, "/tmp"); !errors.Is(err, proxy.ErrDenied) {
		t.Errorf("the old name, which another file has: %+v, %v", e, err)
	}
	if _, err := s.Remove(ctx, "/final"); err != nil {
		t.Fatal(err)
	}
	put(t, memory, "/final", "secret")
	if e, err := s.Stat(ctx, "/final"); !errors.Is(err, proxy.ErrDenied) {
		t.Errorf("a new file at a removed name: %+v, %v", e, err)
	}
}

// A file of another user that is renamed over an own one is not an own one.
func TestOwnFileIsReplacedByRename(t *testing.T) {
	memory := storetest.NewMemory()
	s := Permissions(memory, Rules{Allowed: proxy.PermAll &^ (proxy.PermList | proxy.PermRead)})
	put(t, s, "/own", "12345")
	put(t, memory, "/other", "secret")
	if _, err := s.Rename(t.Context(), "/other", "/own", true); err != nil {
		t.Fatal(err)
	}
	if e, err := s.Stat(t.Context(), "/own"); !errors.Is(err, proxy.ErrDenied) {
		t.Errorf("%+v, %v", e, err)
	}
}

// Written names and uploads outlive a change of the permissions, and a session remembers only the last ones.
func TestMemoryOfSession(t *testing.T) {
	memory, written := storetest.NewMemory(), new(Written)
	rules := Rules{Allowed: dropbox, Written: written}
	put(t, Permissions(memory, rules), "/f", "12345")
	rules.Allowed = 0
	if e, err := Permissions(memory, rules).Stat(t.Context(), "/f"); err != nil || e.Size != 5 {
		t.Errorf("%+v, %v", e, err)
	}
	for i := range 10_000 {
		written.add(fmt.Sprintf("/%0100d", i))
		written.add("/again")
	}
	if n := written.names.bytes; n > maxWritten || n < maxWritten/2 {
		t.Errorf("%d bytes are remembered", n)
	}
	for name, want := range map[string]bool{"/f": false, fmt.Sprintf("/%0100d", 0): false, fmt.Sprintf("/%0100d", 9_999): true, "/again": true} {
		if written.has(name) != want {
			t.Errorf("%s is remembered: %v, want %v", name, !want, want)
		}
	}
}

func TestMemoryOfSessionThatRepeatsNames(t *testing.T) {
	written := new(Written)
	for range 10_000 {
		written.add("/same")
		written.add("/f")
		written.remove("/f")
	}
	if n := len(written.names.order); n > 100 || !written.has("/same") || written.has("/f") {
		t.Errorf("the order of %d names has %d", len(written.names.values), n)
	}
}

// Without the permission to overwrite, a user resumes only the uploads that it has begun in this process, in any session.
func TestResumeOwnUploadsOnly(t *testing.T) {
	ctx, memory, alice := t.Context(), storetest.NewMemory(), new(Uploads)
	session := func(u *Uploads, allowed proxy.Permissions) proxy.Store {
		return Permissions(memory, Rules{Allowed: allowed, Uploads: u})
	}
	broken(t, session(alice, dropbox), "/f", "0123")
	if e, err := session(alice, dropbox).Stat(ctx, "/f"); err != nil || !e.Resumable || e.Size != 4 {
		t.Errorf("alice's upload, for alice: %+v, %v", e, err)
	}
	for _, allowed := range []proxy.Permissions{dropbox, proxy.PermAll &^ proxy.PermOverwrite, proxy.PermList | proxy.PermRead} {
		if e, err := session(nil, allowed).Stat(ctx, "/f"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("alice's upload, for another user with %v: %+v, %v", allowed, e, err)
		}
	}
	nothing := resume(t, session(nil, dropbox), "/none", "45", 4)
	foreign := resume(t, session(nil, dropbox), "/f", "45", 4)
	for _, err := range []error{nothing, foreign} {
		if o, ok := errors.AsType[*proxy.OffsetError](err); !ok || o.Offset != 0 || !errors.Is(err, syscall.ESPIPE) {
			t.Errorf("another user resumes: %v", err)
		}
	}
	if strings.ReplaceAll(nothing.Error(), "/none", "/f") != foreign.Error() {
		t.Errorf("resuming nothing: %v, a foreign upload: %v", nothing, foreign)
	}
	if err := resume(t, session(alice, dropbox), "/f", "45", 4); err != nil {
		t.Errorf("alice resumes: %v", err)
	}
	if got := content(t, memory, "/f"); got != "012345" {
		t.Errorf("the file has %q", got)
	}
	if len(alice.names.values) > 0 {
		t.Errorf("complete uploads are remembered: %v", alice.names.values)
	}
	broken(t, session(alice, dropbox), "/g", "0123")
	if err := resume(t, session(nil, dropbox|proxy.PermOverwrite), "/g", "45", 4); err != nil {
		t.Errorf("a user who may overwrite: %v", err)
	}
}

// A user resumes its own upload, and not one of another user that has replaced it meanwhile.
func TestResumeAfterUploadOfAnother(t *testing.T) {
	memory, alice := storetest.NewMemory(), new(Uploads)
	s := Permissions(memory, Rules{Allowed: dropbox, Uploads: alice})
	broken(t, s, "/f", "0123")
	broken(t, memory, "/f", "abcd")
	if err := resume(t, s, "/f", "45", 4); !errors.Is(err, syscall.ESPIPE) {
		t.Errorf("%v, want an OffsetError", err)
	}
	if e, err := s.Stat(t.Context(), "/f"); !errors.Is(err, proxy.ErrDenied) {
		t.Errorf("%+v, %v", e, err)
	}
	put(t, s, "/f", "012345")
	if got := content(t, memory, "/f"); got != "012345" {
		t.Errorf("the file has %q", got)
	}
}

// A replacing store has another upload to a file after each Stat.
type replacing struct {
	proxy.Store
	t *testing.T
}

func (r replacing) Stat(ctx context.Context, name string) (proxy.Entry, error) {
	e, err := r.Store.Stat(ctx, name)
	broken(r.t, r.Store, name, "abcd")
	return e, err
}

// The same, if the other upload comes between the checks and the Put.
func TestResumeDuringUploadOfAnother(t *testing.T) {
	memory, alice := storetest.NewMemory(), new(Uploads)
	broken(t, Permissions(memory, Rules{Allowed: dropbox, Uploads: alice}), "/f", "0123")
	s := Permissions(replacing{memory, t}, Rules{Allowed: dropbox, Uploads: alice})
	for _, base := range []string{"", "upload-4"} { // the other one at the second time
		src := storetest.Source(strings.NewReader("45"), storetest.First(4))
		if _, err := s.Put(t.Context(), "/f", src, proxy.Write{Base: base}); !errors.Is(err, syscall.ESPIPE) {
			t.Errorf("with Base %q: %v, want an OffsetError", base, err)
		}
		broken(t, Permissions(memory, Rules{Allowed: dropbox, Uploads: alice}), "/f", "0123")
	}
	if f, ok := memory.Files["/f"]; ok {
		t.Errorf("the file has %q", f.Data)
	}
}

// A file that appears during the upload of a user who may not overwrite is not replaced.
func TestNewNameTakenDuringUpload(t *testing.T) {
	memory := storetest.NewMemory()
	s := Permissions(memory, Rules{Allowed: dropbox})
	taken := readerFunc(func([]byte) (int, error) { put(t, memory, "/f", "other"); return 0, io.EOF })
	_, err := s.Put(t.Context(), "/f", storetest.Source(io.MultiReader(strings.NewReader("x"), taken)), proxy.Write{})
	if !errors.Is(err, fs.ErrExist) || !errors.Is(err, proxy.ErrDenied) {
		t.Error(err)
	}
	if got := content(t, memory, "/f"); got != "other" {
		t.Errorf("the file has %q", got)
	}
	if e, err := s.Stat(t.Context(), "/f"); !errors.Is(err, proxy.ErrDenied) {
		t.Errorf("the file of another user: %+v, %v", e, err)
	}
}

// What is allowed costs the store no more than it must.
func TestRequestsOfPermissions(t *testing.T) {
	for _, x := range []struct {
		allowed proxy.Permissions
		w       proxy.Write
		want    string
	}{
		{proxy.PermAll, proxy.Write{}, "Put /f"},
		{dropbox, proxy.Write{}, "Put /f new early"},
		{dropbox, proxy.Write{New: true}, "Put /f new"}, // STOU
		{proxy.PermRead, proxy.Write{}, ""},
		{proxy.PermOverwrite, proxy.Write{}, "Stat /f"},
	} {
		c := &counter{Store: storetest.NewMemory()}
		Permissions(c, Rules{Allowed: x.allowed}).Put(t.Context(), "/f", storetest.Source(strings.NewReader("x")), x.w)
		if got := c.took(); got != x.want {
			t.Errorf("Put with %v, %+v: %q, want %q", x.allowed, x.w.New, got, x.want)
		}
	}
	c := &counter{Store: storetest.NewMemory()}
	put(t, c, "/f", "x")
	c.took()
	Permissions(c, Rules{Allowed: dropbox}).Stat(t.Context(), "/f")
	if got := c.took(); got != "Stat /f/" {
		t.Errorf("Stat without list and read: %q, want that no file is asked for", got)
	}
}

// An existing file is replaced by a rename only with the permission to overwrite.
func TestRenameOverFile(t *testing.T) {
	ctx, memory := t.Context(), storetest.NewMemory()
	put(t, memory, "/a", "a")
	put(t, memory, "/b", "b")
	without := Permissions(memory, Rules{Allowed: proxy.PermAll &^ proxy.PermOverwrite})
	if _, err := without.Rename(ctx, "/a", "/b", true); !errors.Is(err, proxy.ErrDenied) {
		t.Error(err)
	}
	if got := content(t, memory, "/b"); got != "b" {
		t.Errorf("/b has %q", got)
	}
	if _, err := without.Rename(ctx, "/a", "/c", true); err != nil {
		t.Error(err)
	}
	if _, err := Permissions(memory, Rules{Allowed: proxy.PermRename | proxy.PermOverwrite}).Rename(ctx, "/c", "/b", true); err != nil {
		t.Error(err)
	}
	if got := content(t, memory, "/b"); got != "a" {
		t.Errorf("/b has %q", got)
	}
}

// A copy needs the permission to read its source, and is refused before its bytes are stored.
func TestCopyNeedsRead(t *testing.T) {
	memory := storetest.NewMemory()
	put(t, memory, "/secret", "secret")
	s := Permissions(memory, Rules{Allowed: proxy.PermAll &^ proxy.PermRead})
	for _, src := range []proxy.Source{
		storetest.Runs(storetest.CopyOf("/secret", "", 0, -1)),
		storetest.Runs(storetest.New(strings.NewReader("x")), storetest.CopyOf("/secret", "", 0, -1)),
	} {
		if _, err := s.Put(t.Context(), "/copy", src, proxy.Write{}); !errors.Is(err, proxy.ErrDenied) {
			t.Error(err)
		}
		if _, err := memory.Stat(t.Context(), "/copy"); err == nil && len(memory.Files) > 1 {
			t.Errorf("the copy is stored")
		}
	}
}

// The reader of a file has the permissions in its entry, and keeps its io.WriterTo.
func TestReaderOfPermissions(t *testing.T) {
	memory := storetest.NewMemory()
	put(t, memory, "/f", "12345")
	for _, below := range []proxy.Store{memory, withWriterTo{memory}} {
		r, err := Permissions(below, Rules{Allowed: proxy.PermRead}).Open(t.Context(), "/f", proxy.Range{})
		if err != nil {
			t.Fatal(err)
		}
		if e := r.Entry(); e.Size != 5 || e.Denied != proxy.PermAll&^proxy.PermRead {
			t.Errorf("%+v", e)
		}
		_, ok := r.(io.WriterTo)
		if _, want := below.(withWriterTo); ok != want {
			t.Errorf("io.WriterTo: %v, want %v", ok, want)
		}
		var text strings.Builder
		if _, err := io.Copy(&text, r); err != nil || text.String() != "12345" {
			t.Errorf("%q, %v", text.String(), err)
		}
	}
}

// A withWriterTo is a store whose readers implement io.WriterTo.
type withWriterTo struct{ proxy.Store }

func (s withWriterTo) Open(ctx context.Context, name string, at proxy.Range) (proxy.Reader, error) {
	r, err := s.Store.Open(ctx, name, at)
	return writingReader{r}, err
}

type writingReader struct{ proxy.Reader }

func (r writingReader) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, r.Reader) }
