package s3demo_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
)

func TestUploadGoesOnAfterRestart(t *testing.T) {
	o := start(t)
	content := text(4, 5*mib+5*mib+9)
	key := "a/k +%é"
	id := o.begin(key, func(in *s3.CreateMultipartUploadInput) { in.Metadata = map[string]string{"mtime": "1"} })
	aborted := o.begin(key)
	parts := []types.CompletedPart{o.part(key, id, 1, content[:5*mib])}
	o = o.restart()
	list, err := o.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(bucketName), Prefix: &key})
	if err != nil || len(list.Uploads) != 2 || *list.Uploads[0].UploadId != id {
		t.Fatalf("uploads: %v, %v", list.Uploads, err)
	}
	if _, err := o.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: aws.String(bucketName), Key: &key, UploadId: &aborted}); err != nil {
		t.Error(err)
	}
	parts = append(parts, o.part(key, id, 2, content[5*mib:10*mib]))
	o = o.restart()
	parts = append(parts, o.part(key, id, 3, content[10*mib:]))
	if _, err := o.complete(key, id, parts); err != nil {
		t.Fatal(err)
	}
	o = o.restart()
	if !bytes.Equal(o.get(key), content) || o.head(key).Metadata["mtime"] != "1" {
		t.Error("the object is another")
	}
	list, err = o.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(bucketName)})
	if err != nil || len(list.Uploads) != 0 {
		t.Errorf("uploads at the end: %v, %v", list.Uploads, err)
	}
}

func TestLeftoversAreSwept(t *testing.T) {
	o := start(t)
	o.put("k", []byte("content"))
	id := o.begin("u")
	o.part("u", id, 1, []byte("part"))
	before := o.files("content")
	o.close()
	for _, name := range []string{"content/HALFANOBJECT", "tmp/record-1", "tmp/discarded-2/dir/upload", "buckets/bucket/uploads/half/00001.json"} {
		name = filepath.Join(o.dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o = startIn(t, o.dir)
	if got := o.files("content"); !slices.Equal(got, before) {
		t.Errorf("content: %v, want %v", got, before)
	}
	if got := o.files("tmp"); len(got) != 0 {
		t.Errorf("tmp: %v", got)
	}
	if got := o.files("buckets/bucket/uploads"); !slices.Equal(got, []string{id}) {
		t.Errorf("uploads: %v", got)
	}
	if got := string(o.get("k")); got != "content" {
		t.Errorf("the object holds %q", got)
	}
}

// A process that is killed after it has created the object, but before it has removed the upload, leaves both behind.
func TestUploadEndsWithItsObject(t *testing.T) {
	o := start(t)
	id := o.begin("k")
	parts := []types.CompletedPart{o.part("k", id, 1, []byte("part"))}
	kept := filepath.Join(t.TempDir(), "upload")
	dir := filepath.Join(o.dir, "buckets", bucketName, "uploads", id)
	if err := os.CopyFS(kept, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := o.complete("k", id, parts); err != nil {
		t.Fatal(err)
	}
	o.close()
	if err := os.CopyFS(dir, os.DirFS(kept)); err != nil {
		t.Fatal(err)
	}
	o = startIn(t, o.dir)
	list, err := o.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(bucketName)})
	if err != nil || len(list.Uploads) != 0 {
		t.Errorf("uploads: %v, %v", list.Uploads, err)
	}
	o.put("k", nil)
	if got := o.files("content"); len(got) != 1 {
		t.Errorf("%d files, but one object", len(got))
	}
}

func TestDamagedRecordIsAnError(t *testing.T) {
	o := start(t)
	o.put("k", []byte("content"))
	o.close()
	names := o.files("buckets/bucket/objects")
	name := filepath.Join(o.dir, "buckets", bucketName, "objects", names[0])
	if err := os.Truncate(name, 5); err != nil {
		t.Fatal(err)
	}
	store, err := s3demo.Open(o.dir, s3demo.Options{})
	if err == nil {
		store.Close()
		t.Fatal("no error")
	}
	if !strings.Contains(err.Error(), name) {
		t.Errorf("the error does not name the file: %v", err)
	}
	if got := o.files("content"); len(got) != 1 {
		t.Error("the content is gone")
	}
}

func TestOneStorePerDirectory(t *testing.T) {
	o := start(t)
	store, err := s3demo.Open(o.dir, s3demo.Options{})
	if err == nil {
		store.Close()
		t.Fatal("a second store has opened the directory")
	}
	if !strings.Contains(err.Error(), o.dir) || !strings.Contains(err.Error(), "already open") {
		t.Errorf("error: %v", err)
	}
	o.restart()
}

func TestCreateBucket(t *testing.T) {
	o := start(t)
	o.put("k", []byte("content"))
	if err := o.store.CreateBucket(bucketName); err != nil {
		t.Errorf("again: %v", err)
	}
	if got := string(o.get("k")); got != "content" {
		t.Errorf("after that the object holds %q", got)
	}
	for _, name := range []string{"", "ab", "..", "../up", "UPPER", "a/b"} {
		if err := o.store.CreateBucket(name); err == nil {
			t.Errorf("a bucket named %q", name)
		}
	}
}

const killedSize = 300_000

// writeForever runs in another process, until it is killed. It prints each key before and after putting it.
func writeForever(dir string) {
	store, err := s3demo.Open(dir, s3demo.Options{})
	if err != nil {
		panic(err)
	}
	if err := store.CreateBucket(bucketName); err != nil {
		panic(err)
	}
	handler := store.Handler()
	for i := 0; ; i++ {
		key := fmt.Sprintf("key-%d", i%3)
		fmt.Println("begin", i)
		r := httptest.NewRequest(http.MethodPut, "/"+bucketName+"/"+key, bytes.NewReader(bytes.Repeat([]byte{byte(i)}, killedSize)))
		r.Header.Set("Content-Length", strconv.Itoa(killedSize))
		w := httptest.NewRecorder()
		if handler.ServeHTTP(w, r); w.Code != http.StatusOK {
			panic(w.Body.String())
		}
		fmt.Println("end", i)
	}
}

func TestKilled(t *testing.T) {
	for round := range 10 {
		dir := t.TempDir()
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), "S3DEMO_WRITE_TO="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		last := -1
		read := func(most int) {
			for range most {
				var i int
				var what string
				if _, err := fmt.Fscan(lines, &what, &i); err != nil {
					return
				}
				if what == "end" {
					last = i
				}
			}
		}
		read(7 + 2*round) // at the beginning of a PUT
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		read(1 << 30)
		_ = child.Wait() // always "signal: killed"

		o := startIn(t, dir)
		keys := o.keys("", 1000)
		if len(keys) != 3 || last < 2 {
			t.Fatalf("%d objects after %d puts", len(keys), last+1)
		}
		for i, key := range keys {
			content := o.get(key)
			if len(content) != killedSize || len(bytes.Trim(content, string(content[:1]))) != 0 {
				t.Errorf("%s is half an object of %d bytes", key, len(content))
			}
			if seen := int(content[0]); seen%3 != i || seen < last-2 {
				t.Errorf("%s holds number %d, and %d had ended", key, seen, last)
			}
		}
		if got, want := len(o.files("content")), len(keys); got != want {
			t.Errorf("%d files for %d objects", got, want)
		}
		o.close()
	}
}
