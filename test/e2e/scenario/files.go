package scenario

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

// filesFor returns the files to transfer.
func (e *Task) filesFor() []harness.Sample {
	if e.second || e.Slow {
		return e.Files[:fewSizes]
	}
	return e.Files
}

// Remote returns the path of a file in the home.
func (e *Task) Remote(name string) string { return "/" + e.Home + "/" + name }

// Stored returns an error unless S3 has the right content under that name.
func (e *Task) Stored(name, sum string) error {
	if got := e.Bucket.Sum(e.Home + "/" + name); got != sum {
		return fmt.Errorf("%s: S3 has %s, want %s", name, got, sum)
	}
	return nil
}

// Received returns an error unless a downloaded file has the right content.
func (e *Task) Received(name, sum string) error {
	if got := harness.SumFile(e.T, name); got != sum {
		return fmt.Errorf("%s: came back as %s, want %s", name, got, sum)
	}
	return nil
}

// put uploads each file over an existing one.
func (e *Task) put() error {
	for _, f := range e.filesFor() {
		e.Bucket.Put(e.Home+"/"+f.Name, harness.OldContent)
		if _, err := e.Do("put", filepath.Join(e.Local, f.Name), e.Remote(f.Name)); err != nil {
			return err
		}
		if err := e.Stored(f.Name, f.Sum); err != nil {
			return err
		}
	}
	return nil
}

func (e *Task) get() error {
	for _, f := range e.filesFor() {
		back := filepath.Join(e.Dir, "back")
		if _, err := e.Do("get", "/samples/"+f.Name, back); err != nil {
			return err
		}
		if err := e.Received(back, f.Sum); err != nil {
			return err
		}
		os.Remove(back)
	}
	return nil
}

// middle is the file of 20 MiB, with its content.
func (e *Task) middle() (f harness.Sample, local string, content []byte, err error) {
	f = e.Files[slices.IndexFunc(e.Files, func(f harness.Sample) bool { return f.Size == 20*harness.MiB })]
	local = filepath.Join(e.Local, f.Name)
	content, err = os.ReadFile(local)
	return f, local, content, err
}

// reget resumes a download after a third of the file.
func (e *Task) reget() error {
	f, _, content, err := e.middle()
	if err != nil {
		return err
	}
	back := filepath.Join(e.Dir, "back")
	if err := os.WriteFile(back, content[:f.Size/3+1], 0o666); err != nil {
		return err
	}
	e.Bucket.Put(e.Home+"/file", string(content))
	from := e.Server.Log.Mark()
	if _, err := e.Do("reget", e.Remote("file"), back); err != nil {
		return err
	}
	if err := e.Received(back, f.Sum); err != nil {
		return err
	}
	if sent := e.Server.Log.AwaitFrom(e.T, from, "transfer", "command="+e.Download, "name="+e.Remote("file"))["bytes"]; sent == float64(f.Size) {
		return fmt.Errorf("it asked for all of it again")
	}
	return nil
}

// reput resumes an upload that broke.
func (e *Task) reput() error {
	f, local, content, err := e.middle()
	if err != nil {
		return err
	}
	w := e.Server.Connect(e.T)
	data := w.Open("STOR %s", e.Remote("file"))
	if _, err := data.Write(content[:17*harness.MiB]); err != nil {
		return err
	}
	w.Cmd(426, "ABOR")
	w.Expect(226)
	from := e.Server.Log.Mark()
	if _, err := e.Do("reput", local, e.Remote("file")); err != nil {
		return err
	}
	if err := e.Stored("file", f.Sum); err != nil {
		return err
	}
	e.Server.Log.AwaitFrom(e.T, from, "transfer", "name="+e.Remote("file"), "code="+e.Done)
	if len(e.Server.Log.Entries(from, "resuming an upload", "key="+e.Home+"/file")) == 0 {
		return fmt.Errorf("it began anew")
	}
	return nil
}

// appended appends a file to another one.
func (e *Task) appended() error {
	_, local, content, err := e.middle()
	if err != nil {
		return err
	}
	e.Bucket.Put(e.Home+"/file", harness.OldContent)
	if _, err := e.Do("append", local, e.Remote("file")); err != nil {
		return err
	}
	return e.Stored("file", harness.SumOf(e.T, strings.NewReader(harness.OldContent+string(content))))
}

// then is a time that must be kept.
var then = time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)

// putTime: the local file's time is kept in the bucket.
func (e *Task) putTime() error {
	local := filepath.Join(e.Dir, "file")
	sum := harness.MakeFile(e.T, local, 100)
	if err := os.Chtimes(local, then, then); err != nil {
		return err
	}
	if _, err := e.Do("put-time", local, e.Remote("file")); err != nil {
		return err
	}
	key := e.Home + "/file"
	head, err := e.Bucket.HeadObject(e.T.Context(), &s3.HeadObjectInput{Bucket: &e.Bucket.Name, Key: &key})
	if err != nil {
		return err
	}
	if got, want := head.Metadata["mtime"], strconv.FormatInt(then.Unix(), 10); got != want {
		return fmt.Errorf("the time in the bucket is %q, want %s", got, want)
	}
	return e.Stored("file", sum)
}

// getTime: the downloaded file has the time that is kept in the bucket.
func (e *Task) getTime() error {
	content, key := []byte("some content"), e.Home+"/file"
	_, err := e.Bucket.PutObject(e.T.Context(), &s3.PutObjectInput{Bucket: &e.Bucket.Name, Key: &key, Body: bytes.NewReader(content),
		Metadata: map[string]string{"mtime": strconv.FormatInt(then.Unix(), 10)}}, harness.Unsigned)
	if err != nil {
		return err
	}
	back := filepath.Join(e.Dir, "file")
	if _, err := e.Do("get-time", e.Remote("file"), back); err != nil {
		return err
	}
	info, err := os.Stat(back)
	if err != nil {
		return err
	}
	if !info.ModTime().Equal(then) {
		return fmt.Errorf("the file is of %v, want %v", info.ModTime().UTC(), then)
	}
	return e.Received(back, harness.SumOf(e.T, bytes.NewReader(content)))
}
