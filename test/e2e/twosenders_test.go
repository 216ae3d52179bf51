package e2e

import (
	"net"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestTwoSenders resumes an upload in another process twice, while its first session still receives, and then replaces a
// part of theirs: 8 MiB from 8 MiB on, where theirs ends a little earlier. What is published has nothing of both.
func TestTwoSenders(t *testing.T) {
	r := newResumeTest(t)
	other := r.bridge.again(t, real.FreeAddr(t))
	name := "two"
	zombie := r.bridge.connect(t)
	data := zombie.open("STOR %s", name)
	r.send(t, data, 0, 11*mib)
	until(t, "a part in S3", func() bool { return r.bucket.parts(name) >= 8*mib })

	goOn := func(to int64) (*wire, *net.TCPConn, int64) {
		w := other.connect(t)
		at := w.size(name)
		data := w.openAt(at, name)
		r.send(t, data, at, to)
		return w, data, at
	}
	w, _, _ := goOn(16*mib - 100)
	for range 500 {
		w.say(200, "NOOP") // so that it has been read
	}
	w.say(426, "ABOR")
	w.expect(226)

	w, _, at := goOn(25 * mib)
	until(t, "its part in S3", func() bool { return r.bucket.parts(name) >= at+8*mib })
	if at <= 8*mib || at == 16*mib {
		t.Fatalf("the second left %d bytes", at)
	}

	r.send(t, data, 11*mib, 17*mib)
	until(t, "the first's part", func() bool { return r.bucket.parts(name) != at+8*mib })
	w.say(426, "ABOR")
	w.expect(226)
	w, rest, _ := goOn(resumeSize)
	rest.Close()
	w.expect(226)
	if got := r.bucket.sum(name); got != r.want {
		t.Errorf("S3 has %s, want %s", got, r.want)
	}
}
