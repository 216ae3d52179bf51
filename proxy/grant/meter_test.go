package grant

import (
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// A limitCase is an upload to /f of a store with the file /old of 8 bytes.
type limitCase struct {
	before, resumable string // /f, or a resumable upload to it
	copies            []proxy.Copy
	content           string
	announced         int64
	want              string // /f, if the upload succeeds; "" = refused at the limit
	early             bool   // refused before the first new byte
}

// checkLimit runs an upload. One that is refused leaves nothing, or what was there before it began.
func checkLimit(t *testing.T, name string, c limitCase, limit func(proxy.Store) proxy.Store) {
	t.Helper()
	m := storetest.NewMemory()
	m.Files["/old"] = storetest.MemoryFile{Name: "/old", Data: []byte("87654321")}
	if c.before != "" {
		m.Files["/f"] = storetest.MemoryFile{Name: "/f", Data: []byte(c.before)}
	}
	if c.resumable != "" {
		m.Resumable["/f"] = []byte(c.resumable)
	}
	var read atomic.Bool
	content := io.Reader(readerFunc(func([]byte) (int, error) {
		read.Store(true)
		return 0, io.EOF
	}))
	_, err := limit(m).Put(t.Context(), "/f", storetest.Source(io.MultiReader(content, iotest.OneByteReader(strings.NewReader(c.content))), c.copies...),
		proxy.Write{Size: c.announced})
	want := c.want
	if want == "" {
		want = c.before
		if !errors.Is(err, proxy.ErrDiscard) || !errors.As(err, new(*proxy.LimitError)) {
			t.Errorf("%s: %v, want a LimitError", name, err)
		}
		if kept := string(m.Resumable["/f"]); c.early && kept != c.resumable || !c.early && kept != "" {
			t.Errorf("%s: %q is kept for resuming", name, kept)
		}
	} else if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if got := string(m.Files["/f"].Data); got != want {
		t.Errorf("%s: the file is %q, want %q", name, got, want)
	}
	if read.Load() == c.early {
		t.Errorf("%s: new bytes are read: %v", name, read.Load())
	}
}

// Files of up to 10 bytes are stored. Of larger ones nothing is published or kept.
func TestMaxFileSize(t *testing.T) {
	first, all := storetest.First, storetest.All()
	for name, c := range map[string]limitCase{
		"at the limit":              {content: "0123456789", want: "0123456789"},
		"over the limit":            {content: "0123456789a"},
		"announced":                 {content: "0123456789a", announced: 11, early: true},
		"announced, more come":      {content: "0123456789a", announced: 10},
		"append, at the limit":      {before: "01234567", copies: []proxy.Copy{all}, content: "89", want: "0123456789"},
		"append, over the limit":    {before: "01234567", copies: []proxy.Copy{all}, content: "89a"},
		"append to a larger one":    {before: "0123456789a", copies: []proxy.Copy{all}, content: "b", early: true},
		"resume":                    {resumable: "01234567", copies: []proxy.Copy{first(8)}, content: "89", want: "0123456789"},
		"resume, whole announced":   {resumable: "01234567", copies: []proxy.Copy{first(8)}, content: "89", announced: 10, want: "0123456789"},
		"resume, over the limit":    {resumable: "01234567", copies: []proxy.Copy{first(8)}, content: "89a"},
		"resume a larger one":       {resumable: "0123456789a", copies: []proxy.Copy{first(11)}, content: "b", early: true},
		"resume, more announced":    {resumable: "01234567", copies: []proxy.Copy{first(8)}, content: "89a", announced: 11, early: true},
		"copy":                      {copies: []proxy.Copy{{From: "/old", Length: -1}}, content: "90", want: "8765432190"},
		"copy from an offset":       {copies: []proxy.Copy{{From: "/old", Offset: 2, Length: -1}}, content: "9012", want: "6543219012"},
		"copy, over the limit":      {copies: []proxy.Copy{{From: "/old", Length: -1}, {From: "/old", Length: 3}}, content: "x", early: true},
		"append to none, resumable": {resumable: "0123456789abc", copies: []proxy.Copy{all}, content: "0123456789", want: "0123456789"},
	} {
		checkLimit(t, name, c, func(s proxy.Store) proxy.Store { return MaxFileSize(s, 10) })
	}
}

// Of 25 bytes a day, 15 are used.
func TestDailyUpload(t *testing.T) {
	first, all := storetest.First, storetest.All()
	for name, c := range map[string]limitCase{
		"at the limit":             {content: "0123456789", want: "0123456789"},
		"over the limit":           {content: "0123456789a"},
		"announced":                {content: "0123456789a", announced: 11, early: true},
		"append":                   {before: "0123456789", copies: []proxy.Copy{all}, content: "0123456789", want: "01234567890123456789"},
		"append, over the limit":   {before: "0123456789", copies: []proxy.Copy{all}, content: "0123456789a"},
		"resume, whole announced":  {resumable: "0123456789", copies: []proxy.Copy{first(10)}, content: "a", announced: 11, want: "0123456789a"},
		"resume, rest over it":     {resumable: "0123456789", copies: []proxy.Copy{first(10)}, content: "0123456789a", announced: 21, early: true},
		"resume, over the limit":   {resumable: "0123456789", copies: []proxy.Copy{first(10)}, content: "0123456789a"},
		"a copy counts no upload":  {copies: []proxy.Copy{{From: "/old", Length: -1}}, content: "0123456789", want: "876543210123456789"},
		"announced and at the end": {content: "0123456789", announced: 10, want: "0123456789"},
	} {
		checkLimit(t, name, c, func(s proxy.Store) proxy.Store {
			d := new(Daily)
			d.Set(25)
			d.add(15)
			return d.Limit(s)
		})
	}
	full := func(s proxy.Store) proxy.Store {
		d := new(Daily)
		d.Set(25)
		d.add(25)
		return d.Limit(s)
	}
	checkLimit(t, "nothing is left", limitCase{content: "x", early: true}, full)
	checkLimit(t, "nothing is left to resume", limitCase{resumable: "0123456789", copies: []proxy.Copy{first(10)}, content: "x", early: true}, full)
}

// The day ends at midnight UTC. Failed uploads count, and those without a limit do not.
func TestDailyUploadBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at midnight UTC
		d, m := new(Daily), storetest.NewMemory()
		if d.Limit(m) != proxy.Store(m) || MaxFileSize(m, 0) != proxy.Store(m) {
			t.Error("a store without a limit is wrapped")
		}
		d.Set(10)
		broken(t, d.Limit(m), "/f", "123456")
		if used, limit := d.Used(); used != 6 || limit != 10 {
			t.Errorf("%d of %d bytes are used", used, limit)
		}
		put := func() error {
			_, err := d.Limit(m).Put(t.Context(), "/f", storetest.Source(strings.NewReader("12345")), proxy.Write{})
			return err
		}
		<-time.After(24*time.Hour - time.Nanosecond)
		if err := put(); !errors.Is(err, proxy.ErrDiscard) {
			t.Errorf("before midnight: %v", err)
		}
		<-time.After(time.Nanosecond)
		if err := put(); err != nil {
			t.Errorf("after midnight: %v", err)
		}
	})
}

// Uploads at the same time, each of twice the limit of a day, together do not exceed it.
func TestDailyUploadOfTwo(t *testing.T) {
	d := new(Daily)
	d.Set(1 << 20)
	results := make(chan error)
	for range 4 {
		go func() {
			s := d.Limit(endless{buffer: 1000})
			_, err := s.Put(t.Context(), "/f", storetest.Source(io.LimitReader(zeros{new(atomic.Int64)}, 2<<20)), proxy.Write{})
			results <- err
		}()
	}
	for range 4 {
		if err := <-results; !errors.As(err, new(*proxy.LimitError)) {
			t.Errorf("%v, want a LimitError", err)
		}
	}
	if used, limit := d.Used(); used > limit || used < limit-1000 {
		t.Errorf("%d of %d bytes are used", used, limit)
	}
}

func TestContractWithSizes(t *testing.T) {
	storetest.Run(t, storetest.Limits{Brief: true, Part: 64 << 10}, func(t *testing.T) proxy.Store {
		d := new(Daily)
		d.Set(1 << 40)
		return MaxFileSize(d.Limit(storetest.NewMemory()), 1<<40)
	})
}
