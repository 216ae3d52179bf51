package s3fs

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// replica returns an FS of another process in the same bucket.
func replica(t *testing.T, c *Client, bucket string) *FS {
	other := &Client{api: c.api, http: c.http, checksum: c.checksum, names: new(nameLocks), uploads: new(uploadRegistry), timeout: c.timeout,
		background: new(background), log: c.log}
	return NewFS(other, Options{Bucket: bucket, PartSize: minPart})
}

// A process resumes an upload that another one is still running. Whatever the other one does then, the file must not be a mixture: either
// the other one changes nothing, or the resumed upload fails and can be resumed again.
func TestResumeFromAnotherReplica(t *testing.T) {
	c := minio(t, "replicas")
	for name, end := range map[string]error{"ends": io.EOF, "breaks": errCut} {
		t.Run(name, func(t *testing.T) {
			first, second := replica(t, c, "replicas"), replica(t, c, "replicas")
			file := "/" + name
			old := newGate(letters("a", 3*minPart+100))
			over := make(chan error, 1)
			go func() {
				over <- errOf(first.Put(context.WithoutCancel(t.Context()), file, storetest.Source(old), proxy.Write{}))
			}()
			<-old.there
			at := int64(0)
			for at < 3*minPart { // the last part may still be on its way
				at = resumableSize(t, second, file)
			}
			rest := newGate(letters("b", 2*minPart+7))
			result := make(chan error, 1)
			go func() {
				result <- errOf(second.Put(context.WithoutCancel(t.Context()), file, storetest.Source(rest, storetest.First(at)), proxy.Write{}))
			}()
			<-rest.there
			old.end <- end
			oldErr := <-over
			rest.end <- io.EOF
			err := <-result
			switch {
			case err == nil && oldErr != nil:
				checkFile(t, second, file, io.MultiReader(letters("a", at), letters("b", 2*minPart+7)))
			case err != nil && oldErr == nil:
				checkFile(t, second, file, letters("a", 3*minPart+100))
			default:
				t.Errorf("the first ends with %v, the second with %v", oldErr, err)
			}
		})
	}
}

// If the former owner overwrites a part after the upload was resumed, the upload is not published, because it would be a mixture.
func TestUploadWithOverwrittenPartIsNotPublished(t *testing.T) {
	c := minio(t, "zombie")
	f := replica(t, c, "zombie")
	if _, err := f.Put(t.Context(), "/f", storetest.Source(io.MultiReader(letters("a", 2*minPart), iotest.ErrReader(errCut))), proxy.Write{}); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	g := newGate(letters("b", 100))
	result := make(chan error, 1)
	go func() {
		result <- errOf(f.Put(context.WithoutCancel(t.Context()), "/f", storetest.Source(g, storetest.First(2*minPart)), proxy.Write{}))
	}()
	<-g.there
	b, err := f.findResumable(t.Context(), "f")
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.api.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: &f.bucket, Key: aws.String("f"), UploadId: &b.id, PartNumber: aws.Int32(1),
		Body: strings.NewReader(strings.Repeat("z", minPart)), ChecksumCRC32C: aws.String(crcText([]byte(strings.Repeat("z", minPart))))})
	if err != nil {
		t.Fatal(err)
	}
	g.end <- io.EOF
	if err := <-result; err == nil {
		t.Error("a mixture was published")
	}
	if at := resumableSize(t, f, "/f"); at != 0 {
		t.Errorf("the resumable size is %d, want 0, because the owner of the parts is unknown", at)
	}
}

// A session resumes an upload that another session of the process is still running. The other session then changes nothing.
func TestResumeFromOtherSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		f := s.fs(Options{PartSize: minPart, Resume: time.Hour})
		old := newGate(letters("a", 2*minPart+100))
		over := make(chan error, 1)
		go func() {
			over <- errOf(f.Put(context.WithoutCancel(t.Context()), "/f", storetest.Source(old), proxy.Write{}))
		}()
		<-old.there
		synctest.Wait()
		if _, err := f.Put(t.Context(), "/f", storetest.Source(letters("b", 10), storetest.First(2*minPart)), proxy.Write{}); err != nil {
			t.Fatal(err)
		}
		before := len(s.requests())
		old.end <- errCut
		if err := <-over; err == nil {
			t.Error("the one that was taken over ends well")
		}
		if later := s.requests()[before:]; len(later) > 0 {
			t.Errorf("requests after that: %q", later)
		}
		if s.objects["/b/f"] != 2*minPart+10 || f.budget.Stats().Used != 0 {
			t.Errorf("published: %v; %d bytes taken", s.objects, f.budget.Stats().Used)
		}
	})
}
