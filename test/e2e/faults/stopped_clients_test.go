package faults

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

func (s *stoppage) upload(t *testing.T, b *harness.Server, place string) *faultyUpload {
	return &faultyUpload{faulty: s.faulty, uploadFault: uploadFault{size: largeSize, holds: before}, t: t, place: place, key: place + "/file", w: b.Connect(t)}
}

// inComplete is the client that stops S3 by its Complete, once all other clients are ready.
func (s *stoppage) inComplete(t *testing.T, place string, ready, replied func()) {
	u := s.upload(t, s.bridge, place)
	ready()
	s.ready.Wait()
	if code, text := u.send("STOR", 0); code != 451 {
		t.Errorf("%d %s", code, text)
	}
	replied()
	await(t, s.running)
	s.proxy.Script(place)
	u.checkLeft()
}

// checkLeft checks that the upload can be resumed.
func (u *faultyUpload) checkLeft() {
	u.t.Helper()
	u.left = true
	u.check()
}

// begin sends the first part of an upload and some of the next, and waits until S3 has the first.
func (s *stoppage) begin(t *testing.T, b *harness.Server, place string) (*faultyUpload, io.WriteCloser) {
	u := s.upload(t, b, place)
	there := s.proxy.Answered(place, "UploadPart 1")
	data := u.w.Open("STOR %s", u.key)
	if _, err := data.Write(first(u.key, u.size)[:8*harness.MiB]); err != nil {
		t.Fatal(err)
	}
	await(t, there)
	return u, data
}

// ends sends the rest of an upload, expects the reply that S3 does not answer, and waits until S3 runs again.
func (s *stoppage) ends(u *faultyUpload, data io.WriteCloser, rest []byte, replied func()) {
	u.t.Helper()
	data.Write(rest)
	data.Close()
	if code, text := u.w.Reply(); code != 451 {
		u.t.Errorf("%d %s", code, text)
	}
	replied()
	await(u.t, s.running)
}

// aborts is ends for an upload that the client aborts.
func (s *stoppage) aborts(u *faultyUpload, replied func()) {
	u.t.Helper()
	if code, text := u.w.Do("ABOR"); code != 426 {
		u.t.Errorf("%d %s", code, text)
	}
	u.w.Expect(226)
	replied()
	await(u.t, s.running)
}

func stoppedInPart(t *testing.T, s *stoppage, place string, ready, replied func()) {
	u, data := s.begin(t, s.bridge, place)
	ready()
	await(t, s.stopped)
	s.ends(u, data, first(u.key, u.size)[8*harness.MiB:], replied)
	u.checkLeft()
}

func stoppedAborted(t *testing.T, s *stoppage, place string, ready, replied func()) {
	u, _ := s.begin(t, s.bridge, place)
	ready()
	await(t, s.stopped)
	s.aborts(u, replied)
	u.checkLeft()
}

// stoppedWithoutResume: with --resume 0 an upload must be aborted, which S3 cannot do while it is stopped.
func stoppedWithoutResume(t *testing.T, s *stoppage, place string, ready, replied func()) {
	u, _ := s.begin(t, s.resumeOff, place)
	ready()
	await(t, s.stopped)
	s.aborts(u, replied)
	s.resumeOff.Log.Await(t, "aborted a multipart upload after retries", "key="+u.key)
	u.check()
}

// stoppedInFirstPart: S3 can have received only CreateMultipartUpload. If it obeys when it runs again, that upload has no parts, and
// s3ftpd does not know its ID.
func stoppedInFirstPart(t *testing.T, s *stoppage, place string, ready, replied func()) {
	u := s.upload(t, s.bridge, place)
	data := u.w.Open("STOR %s", u.key)
	content := first(u.key, u.size)
	if _, err := data.Write(content[:harness.MiB]); err != nil {
		t.Fatal(err)
	}
	ready()
	await(t, s.stopped)
	s.ends(u, data, content[harness.MiB:], replied)
	u.stray = anyNumber // MinIO may still create some
	u.check()
}

// stoppedInSmall: S3 must have received no content that it could store after the client was told of the failure. It has
// answered others just before it was stopped, and counts as running for a second since then.
func stoppedInSmall(t *testing.T, s *stoppage, place string, ready, replied func()) {
	u := s.upload(t, s.bridge, place)
	u.size = smallSize
	data := u.w.Open("STOR %s", u.key)
	if _, err := data.Write(first(u.key, u.size)); err != nil {
		t.Fatal(err)
	}
	ready()
	await(t, s.stopped)
	<-time.After(1100 * time.Millisecond)
	s.ends(u, data, nil, replied)
	u.check()
}

func stoppedInDownload(t *testing.T, s *stoppage, place string, ready, replied func()) {
	content := first(place, 64*harness.MiB)
	s.bucket.Put(place+"/file", string(content))
	w := s.bridge.Connect(t)
	data := w.Open("RETR %s/file", place)
	got := make([]byte, harness.MiB)
	if _, err := io.ReadFull(data, got); err != nil {
		t.Fatal(err)
	}
	ready()
	await(t, s.stopped)
	rest, err := io.ReadAll(data)
	if got = append(got, rest...); len(got) == len(content) {
		t.Log("all of it came, out of buffers")
	} else if err == nil || !bytes.HasPrefix(content, got) {
		t.Errorf("after %d bytes the data connection ends with %v", len(got), err)
	}
	if code, text := w.Reply(); code != 451 {
		t.Errorf("%d %s", code, text)
	}
	replied()
	await(t, s.running)
	data = w.Open("RETR %s/file", place)
	if got, err := io.ReadAll(data); err != nil || !bytes.Equal(got, content) {
		t.Errorf("afterwards: %d bytes, %v", len(got), err)
	}
	w.Expect(226)
}

func stoppedInListing(t *testing.T, s *stoppage, place string, ready, replied func()) {
	s.bucket.Put(place+"/file", "x")
	w := s.bridge.Connect(t)
	ready()
	await(t, s.stopped)
	if code, text := w.Transfer("NLST %s", place); code != 451 {
		t.Errorf("%d %s", code, text)
	}
	replied()
	await(t, s.running)
	if code, text := w.Transfer("NLST %s", place); code != 226 {
		t.Errorf("afterwards: %d %s", code, text)
	}
}
