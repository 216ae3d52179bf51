package clients

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// sizes are around S3's smallest part and the program's first part. Active data connections, which the program handles like passive
// ones, get only the first few.
var sizes = []int64{0, 1, 5*harness.MiB + 1, 5*harness.MiB - 1, 5 * harness.MiB, 8 * harness.MiB, 20 * harness.MiB, 100 * harness.MiB}

const fewSizes = 3

// filesFor returns the files to transfer.
func (e *task) filesFor() []harness.Sample {
	if e.mode == "active" || e.slow {
		return e.files[:fewSizes]
	}
	return e.files
}

func (e *task) remote(name string) string { return "/" + e.home + "/" + name }

// stored returns an error unless S3 has the right content under that name.
func (e *task) stored(name, sum string) error {
	if got := e.bucket.Sum(e.home + "/" + name); got != sum {
		return fmt.Errorf("%s: S3 has %s, want %s", name, got, sum)
	}
	return nil
}

// received returns an error unless a downloaded file has the right content.
func received(e *task, name, sum string) error {
	if got := harness.SumFile(e.t, name); got != sum {
		return fmt.Errorf("%s: came back as %s, want %s", name, got, sum)
	}
	return nil
}

// put uploads each file over an existing one.
func (e *task) put() error {
	for _, f := range e.filesFor() {
		e.bucket.Put(e.home+"/"+f.Name, harness.OldContent)
		if _, err := e.do("put", filepath.Join(e.local, f.Name), e.remote(f.Name)); err != nil {
			return err
		}
		if err := e.stored(f.Name, f.Sum); err != nil {
			return err
		}
	}
	return nil
}

func (e *task) get() error {
	for _, f := range e.filesFor() {
		back := filepath.Join(e.dir, "back")
		if _, err := e.do("get", "/samples/"+f.Name, back); err != nil {
			return err
		}
		if err := received(e, back, f.Sum); err != nil {
			return err
		}
		os.Remove(back)
	}
	return nil
}

// middle is the file of 20 MiB, with its content.
func (e *task) middle() (f harness.Sample, local string, content []byte, err error) {
	f = e.files[slices.IndexFunc(e.files, func(f harness.Sample) bool { return f.Size == 20*harness.MiB })]
	local = filepath.Join(e.local, f.Name)
	content, err = os.ReadFile(local)
	return f, local, content, err
}

// reget resumes a download after a third of the file.
func (e *task) reget() error {
	f, _, content, err := e.middle()
	if err != nil {
		return err
	}
	back := filepath.Join(e.dir, "back")
	if err := os.WriteFile(back, content[:f.Size/3+1], 0o666); err != nil {
		return err
	}
	e.bucket.Put(e.home+"/file", string(content))
	from := e.b.Log.Mark()
	if _, err := e.do("reget", e.remote("file"), back); err != nil {
		return err
	}
	if err := received(e, back, f.Sum); err != nil {
		return err
	}
	if sent := e.b.Log.AwaitFrom(e.t, from, "transfer", "command=RETR", "name="+e.remote("file"))["bytes"]; sent == float64(f.Size) {
		return fmt.Errorf("it asked for all of it again")
	}
	return nil
}

// reput resumes an upload that broke.
func (e *task) reput() error {
	f, local, content, err := e.middle()
	if err != nil {
		return err
	}
	w := e.b.Connect(e.t)
	data := w.Open("STOR %s", e.remote("file"))
	if _, err := data.Write(content[:17*harness.MiB]); err != nil {
		return err
	}
	w.Cmd(426, "ABOR")
	w.Expect(226)
	from := e.b.Log.Mark()
	if _, err := e.do("reput", local, e.remote("file")); err != nil {
		return err
	}
	if err := e.stored("file", f.Sum); err != nil {
		return err
	}
	e.b.Log.AwaitFrom(e.t, from, "transfer", "name="+e.remote("file"), "code=226")
	if len(e.b.Log.Entries(from, "resuming an upload", "key="+e.home+"/file")) == 0 {
		return fmt.Errorf("it began anew")
	}
	return nil
}

// appended appends a file to another one.
func (e *task) appended() error {
	_, local, content, err := e.middle()
	if err != nil {
		return err
	}
	e.bucket.Put(e.home+"/file", harness.OldContent)
	if _, err := e.do("append", local, e.remote("file")); err != nil {
		return err
	}
	return e.stored("file", harness.SumOf(e.t, strings.NewReader(harness.OldContent+string(content))))
}

// text has lines that end with LF.
var text = strings.Repeat("a line of text\n\n", 5000)

// putText: lines end with LF locally and in the bucket, and with CR LF on the wire.
func (e *task) putText() error {
	local := filepath.Join(e.dir, "text")
	if err := os.WriteFile(local, []byte(text), 0o666); err != nil {
		return err
	}
	from := e.b.Log.Mark()
	if _, err := e.do("put-text", local, e.remote("text")); err != nil {
		return err
	}
	if err := e.wasText(from); err != nil {
		return err
	}
	return e.stored("text", harness.SumOf(e.t, strings.NewReader(text)))
}

// wasText returns an error unless the transfer was in TYPE A.
func (e *task) wasText(from int) error {
	session := fmt.Sprint("session=", e.b.Log.AwaitFrom(e.t, from, "transfer", "name="+e.remote("text"))["session"])
	representation := "A"
	for _, c := range e.b.Log.Entries(from, "command", session) {
		switch {
		case c["command"] == "TYPE":
			representation = fmt.Sprint(c["name"])
		case c["name"] == e.remote("text") && !strings.HasPrefix(representation, "A"):
			return fmt.Errorf("it was of TYPE %s", representation)
		}
	}
	return nil
}

func (e *task) getText() error {
	e.bucket.Put(e.home+"/text", text)
	back := filepath.Join(e.dir, "text")
	from := e.b.Log.Mark()
	if _, err := e.do("get-text", e.remote("text"), back); err != nil {
		return err
	}
	if err := e.wasText(from); err != nil {
		return err
	}
	return received(e, back, harness.SumOf(e.t, strings.NewReader(text)))
}

// then is a time that must be kept.
var then = time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)

// putTime: the local file's time is kept in the bucket.
func (e *task) putTime() error {
	local := filepath.Join(e.dir, "file")
	sum := harness.MakeFile(e.t, local, 100)
	if err := os.Chtimes(local, then, then); err != nil {
		return err
	}
	if _, err := e.do("put-time", local, e.remote("file")); err != nil {
		return err
	}
	key := e.home + "/file"
	head, err := e.bucket.HeadObject(e.t.Context(), &s3.HeadObjectInput{Bucket: &e.bucket.Name, Key: &key})
	if err != nil {
		return err
	}
	if got, want := head.Metadata["mtime"], strconv.FormatInt(then.Unix(), 10); got != want {
		return fmt.Errorf("the time in the bucket is %q, want %s", got, want)
	}
	return e.stored("file", sum)
}

// getTime: the downloaded file has the time that is kept in the bucket.
func (e *task) getTime() error {
	content, key := []byte("some content"), e.home+"/file"
	_, err := e.bucket.PutObject(e.t.Context(), &s3.PutObjectInput{Bucket: &e.bucket.Name, Key: &key, Body: bytes.NewReader(content),
		Metadata: map[string]string{"mtime": strconv.FormatInt(then.Unix(), 10)}}, harness.Unsigned)
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
	return received(e, back, harness.SumOf(e.t, bytes.NewReader(content)))
}
