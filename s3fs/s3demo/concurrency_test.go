package s3demo_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func TestOnlyOneIsFirst(t *testing.T) {
	o := start(t)
	var won, lost int
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			_, err := o.PutObject(t.Context(), &s3.PutObjectInput{
				Bucket: aws.String(bucketName), Key: aws.String("k"), Body: bytes.NewReader(text(byte(i), 10_000)), IfNoneMatch: aws.String("*"),
			})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if code(t, err) == "PreconditionFailed" {
				lost++
			}
		})
	}
	if all.Wait(); won != 1 || lost != 15 {
		t.Errorf("%d won, %d lost", won, lost)
	}
}

// The condition is met when the upload begins, but not when it ends.
func TestAnotherIsFasterMeanwhile(t *testing.T) {
	dir := t.TempDir()
	url := rawIn(t, dir) + "/k"
	reader, writer := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, reader)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = 10
	r.Header.Set("If-None-Match", "*")
	r.Header.Set("Expect", "100-continue") // the server sends 100 Continue when it reads the body
	transport := &http.Transport{ExpectContinueTimeout: time.Hour}
	defer transport.CloseIdleConnections()
	status := make(chan int, 1)
	go func() {
		answer, err := transport.RoundTrip(r)
		if err != nil {
			t.Error(err)
			status <- 0
			return
		}
		answer.Body.Close()
		status <- answer.StatusCode
	}()
	if _, err := io.WriteString(writer, "slow "); err != nil {
		t.Fatal(err)
	}
	if got, _ := send(t, http.MethodPut, url, "faster"); got != "200" {
		t.Errorf("the faster one: %s", got)
	}
	if _, err := io.WriteString(writer, "river"); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	if got := <-status; got != http.StatusPreconditionFailed {
		t.Errorf("the slower one: %d", got)
	}
	if got, _ := send(t, http.MethodGet, url, ""); got != "200 faster" {
		t.Errorf("the object: %s", got)
	}
	if files, err := os.ReadDir(filepath.Join(dir, "content")); len(files) != 1 || err != nil {
		t.Errorf("%d files for one object, %v", len(files), err)
	}
}

func TestReadersSeeOneVersion(t *testing.T) {
	o := start(t)
	const size = 200_000
	o.put("k", bytes.Repeat([]byte{'a'}, size))
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 20 {
				o.put("k", bytes.Repeat([]byte{'a' + byte(i*5+j%5)}, size))
			}
		})
		all.Go(func() {
			for range 20 {
				content := o.get("k")
				if len(content) != size || len(bytes.Trim(content, string(content[:1]))) != 0 {
					t.Errorf("a mixture of %d bytes", len(content))
				}
			}
		})
	}
	all.Wait()
	if left := o.files("content"); len(left) != 1 {
		t.Errorf("%d files for one object", len(left))
	}
}

func TestDownloadOutlivesItsObject(t *testing.T) {
	o := start(t)
	tag := o.multipart("k", 7, 5*mib, 5*mib, 5*mib, 5*mib)
	out, err := o.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucketName), Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if _, err := o.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucketName), Key: aws.String("k")}); err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(content, text(7, 20*mib)) || *out.ETag != tag {
		t.Errorf("%d bytes, ETag %s", len(content), *out.ETag)
	}
}
