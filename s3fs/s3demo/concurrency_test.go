package s3demo_test

import (
	"bytes"
	"io"
	"sync"
	"testing"

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

// The condition holds when the upload begins, and no longer when it ends.
func TestAnotherIsFasterMeanwhile(t *testing.T) {
	o := start(t)
	reader, writer := io.Pipe()
	result := make(chan error, 1)
	go func() {
		_, err := o.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: aws.String(bucketName), Key: aws.String("k"), Body: reader, ContentLength: aws.Int64(2 * mib), IfNoneMatch: aws.String("*"),
		}, unsigned)
		reader.CloseWithError(err)
		result <- err
	}()
	content := text(1, 2*mib)
	if _, err := writer.Write(content[:mib]); err != nil { // more than waits in any buffer: the server is reading
		t.Fatal(err)
	}
	o.put("k", []byte("faster"))
	if _, err := writer.Write(content[mib:]); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	if got := code(t, <-result); got != "PreconditionFailed" {
		t.Errorf("the slower one: %q", got)
	}
	if got := string(o.get("k")); got != "faster" {
		t.Errorf("the object has %d bytes", len(got))
	}
	if left := o.files("content"); len(left) != 1 {
		t.Errorf("%d files for one object", len(left))
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
