package faults

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/faults"
)

// stoppedAllThere: S3 has accepted the header of a Complete, has its whole body, and stops. When it runs again it may obey, although
// s3ftpd no longer waits for it; MinIO may also lose the parts. SIZE must show which, and the next upload cleans up.
func stoppedAllThere(t *testing.T, s *stoppage, place string, ready, replied func()) {
	u := s.upload(t, s.bridge, place)
	s.proxy.Script(place, when("CompleteMultipartUpload", 1, func(p *faults.Proxy, w http.ResponseWriter, r *http.Request) {
		content, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		ready()
		select {
		case <-s.stopped:
		case <-p.Done:
		}
		r.Body = io.NopCloser(bytes.NewReader(content))
		r.Header.Del("Expect")
		p.Forward.ServeHTTP(w, r)
	}))
	if code, text := u.send("STOR", 0); code != 451 {
		t.Errorf("%d %s", code, text)
	}
	replied()
	await(t, s.running)
	if ops := s.proxy.Unused(place); len(ops) > 0 {
		t.Errorf("there was no %q", ops)
	}
	s.proxy.Script(place)
	u.awaitSize()
	if code, text := u.send("STOR", 0); code != 226 {
		t.Errorf("again: %d %s", code, text)
	}
	u.holds = fresh
	u.check()
}

// awaitSize waits until SIZE agrees with the bucket: S3 may still be working.
func (u *faultyUpload) awaitSize() {
	u.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	said, sum, sizes := "", "", []int64(nil)
	for range 100 {
		code, text := u.w.Do("SIZE %s", u.key)
		said, sum, sizes = fmt.Sprint(code, " ", text), u.bucket.Sum(u.key), u.bucket.UploadSizes(u.key)
		at := int64(-1)
		if code == 213 {
			fmt.Sscan(text, &at)
		}
		resumable := slices.ContainsFunc(sizes, func(n int64) bool { return at <= n && at < u.size })
		switch {
		case sum == u.sum(u.key, u.size) && at == u.size, sum == "absent" && code == 550, sum == "absent" && at > 0 && resumable:
			u.t.Logf("SIZE: %s, open: %d", said, sizes)
			return
		}
		<-tick.C
	}
	u.t.Errorf("SIZE: %s, but S3 has %s, and multipart uploads of %d bytes are open", said, sum, sizes)
}
