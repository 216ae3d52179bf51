package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// sizes lie around the edges of what S3 takes in one part, and of the program's first part. Active data connections, of which the
// program knows no more than of passive ones, get the first few.
var sizes = []int64{0, 1, 5*mib + 1, 5*mib - 1, 5 * mib, 8 * mib, 20 * mib, 100 * mib}

const fewSizes = 3

// filesFor are the files that are moved.
func (e *errand) filesFor() []sample {
	if e.mode == "active" || e.slow {
		return e.files[:fewSizes]
	}
	return e.files
}

func (e *errand) remote(name string) string { return "/" + e.home + "/" + name }

// stored is nil when S3 has under that name what it should.
func (e *errand) stored(name, sum string) error {
	if got := e.bucket.sum(e.home + "/" + name); got != sum {
		return fmt.Errorf("%s: S3 has %s, want %s", name, got, sum)
	}
	return nil
}

// received is nil when a file that was downloaded is what it should be.
func received(e *errand, name, sum string) error {
	if got := sumFile(e.t, name); got != sum {
		return fmt.Errorf("%s: came back as %s, want %s", name, got, sum)
	}
	return nil
}

// put uploads each file to where another one is.
func (e *errand) put() error {
	for _, f := range e.filesFor() {
		e.bucket.put(e.home+"/"+f.name, oldContent)
		if _, err := e.do("put", filepath.Join(e.local, f.name), e.remote(f.name)); err != nil {
			return err
		}
		if err := e.stored(f.name, f.sum); err != nil {
			return err
		}
	}
	return nil
}

func (e *errand) get() error {
	for _, f := range e.filesFor() {
		back := filepath.Join(e.dir, "back")
		if _, err := e.do("get", "/samples/"+f.name, back); err != nil {
			return err
		}
		if err := received(e, back, f.sum); err != nil {
			return err
		}
		os.Remove(back)
	}
	return nil
}

// middle is the file of 20 MiB, with its content.
func (e *errand) middle() (f sample, local string, content []byte, err error) {
	f = e.files[slices.IndexFunc(e.files, func(f sample) bool { return f.size == 20*mib })]
	local = filepath.Join(e.local, f.name)
	content, err = os.ReadFile(local)
	return f, local, content, err
}

// reget goes on with a download that has brought a third of a file.
func (e *errand) reget() error {
	f, _, content, err := e.middle()
	if err != nil {
		return err
	}
	back := filepath.Join(e.dir, "back")
	if err := os.WriteFile(back, content[:f.size/3+1], 0o666); err != nil {
		return err
	}
	e.bucket.put(e.home+"/file", string(content))
	from := e.b.log.mark()
	if _, err := e.do("reget", e.remote("file"), back); err != nil {
		return err
	}
	if err := received(e, back, f.sum); err != nil {
		return err
	}
	if sent := e.b.log.awaitFrom(e.t, from, "transfer", "command=RETR", "name="+e.remote("file"))["bytes"]; sent == float64(f.size) {
		return fmt.Errorf("it asked for all of it again")
	}
	return nil
}

// reput goes on with an upload that broke.
func (e *errand) reput() error {
	f, local, content, err := e.middle()
	if err != nil {
		return err
	}
	w := e.b.connect(e.t)
	data := w.open("STOR %s", e.remote("file"))
	if _, err := data.Write(content[:17*mib]); err != nil {
		return err
	}
	w.say(426, "ABOR")
	w.expect(226)
	from := e.b.log.mark()
	if _, err := e.do("reput", local, e.remote("file")); err != nil {
		return err
	}
	if err := e.stored("file", f.sum); err != nil {
		return err
	}
	e.b.log.awaitFrom(e.t, from, "transfer", "name="+e.remote("file"), "code=226")
	if len(e.b.log.entries(from, "resuming an upload", "key="+e.home+"/file")) == 0 {
		return fmt.Errorf("it began anew")
	}
	return nil
}

// appended adds a file to the end of another one.
func (e *errand) appended() error {
	_, local, content, err := e.middle()
	if err != nil {
		return err
	}
	e.bucket.put(e.home+"/file", oldContent)
	if _, err := e.do("append", local, e.remote("file")); err != nil {
		return err
	}
	return e.stored("file", sumOf(e.t, strings.NewReader(oldContent+string(content))))
}

// text has lines that end as they do here.
var text = strings.Repeat("a line of text\n\n", 5000)

// putText: lines end with LF in the bucket, as they do here; in between they end with CR LF.
func (e *errand) putText() error {
	local := filepath.Join(e.dir, "text")
	if err := os.WriteFile(local, []byte(text), 0o666); err != nil {
		return err
	}
	from := e.b.log.mark()
	if _, err := e.do("put-text", local, e.remote("text")); err != nil {
		return err
	}
	if err := e.wasText(from); err != nil {
		return err
	}
	return e.stored("text", sumOf(e.t, strings.NewReader(text)))
}

// wasText is nil when the transfer was one of TYPE A, in which a session begins.
func (e *errand) wasText(from int) error {
	session := fmt.Sprint("session=", e.b.log.awaitFrom(e.t, from, "transfer", "name="+e.remote("text"))["session"])
	representation := "A"
	for _, c := range e.b.log.entries(from, "command", session) {
		switch {
		case c["command"] == "TYPE":
			representation = fmt.Sprint(c["name"])
		case c["name"] == e.remote("text") && !strings.HasPrefix(representation, "A"):
			return fmt.Errorf("it was of TYPE %s", representation)
		}
	}
	return nil
}

func (e *errand) getText() error {
	e.bucket.put(e.home+"/text", text)
	back := filepath.Join(e.dir, "text")
	from := e.b.log.mark()
	if _, err := e.do("get-text", e.remote("text"), back); err != nil {
		return err
	}
	if err := e.wasText(from); err != nil {
		return err
	}
	return received(e, back, sumOf(e.t, strings.NewReader(text)))
}

// then is when a file was changed whose time is kept.
var then = time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)

// putTime: the local file's time is kept in the bucket.
func (e *errand) putTime() error {
	local := filepath.Join(e.dir, "file")
	sum := makeFile(e.t, local, 100)
	if err := os.Chtimes(local, then, then); err != nil {
		return err
	}
	if _, err := e.do("put-time", local, e.remote("file")); err != nil {
		return err
	}
	key := e.home + "/file"
	head, err := e.bucket.HeadObject(e.t.Context(), &s3.HeadObjectInput{Bucket: &e.bucket.bucket, Key: &key})
	if err != nil {
		return err
	}
	if got, want := head.Metadata["mtime"], strconv.FormatInt(then.Unix(), 10); got != want {
		return fmt.Errorf("the time in the bucket is %q, want %s", got, want)
	}
	return e.stored("file", sum)
}

// getTime: the file that comes has the time that is kept in the bucket.
func (e *errand) getTime() error {
	content, key := []byte("some content"), e.home+"/file"
	_, err := e.bucket.PutObject(e.t.Context(), &s3.PutObjectInput{Bucket: &e.bucket.bucket, Key: &key, Body: bytes.NewReader(content),
		Metadata: map[string]string{"mtime": strconv.FormatInt(then.Unix(), 10)}}, unsigned)
	if err != nil {
		return err
	}
	back := filepath.Join(e.dir, "file")
	if _, err := e.do("get-time", e.remote("file"), back); err != nil {
		return err
	}
	info, err := os.Stat(back)
	if err != nil {
		return err
	}
	if !info.ModTime().Equal(then) {
		return fmt.Errorf("the file is of %v, want %v", info.ModTime().UTC(), then)
	}
	return received(e, back, sumOf(e.t, bytes.NewReader(content)))
}
