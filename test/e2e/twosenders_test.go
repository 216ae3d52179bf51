package e2e

import (
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

	w := other.connect(t)
	at := w.size(name)
	w.say(350, "REST %d", at)
	d := w.open("STOR %s", name)
	r.send(t, d, at, 16*mib-100)
	for range 500 {
		w.say(200, "NOOP") // so that it has been read
	}
	w.say(426, "ABOR")
	w.expect(226)

	w = other.connect(t)
	at3 := w.size(name)
	w.say(350, "REST %d", at3)
	d = w.open("STOR %s", name)
	r.send(t, d, at3, 25*mib)
	until(t, "its part in S3", func() bool { return r.bucket.parts(name) >= at3+8*mib })
	if at3 <= 8*mib || at3 == 16*mib {
		t.Fatalf("the second left %d bytes", at3)
	}

	r.send(t, data, 11*mib, 17*mib)
	until(t, "the first's part", func() bool { return r.bucket.parts(name) != at3+8*mib })
	w.say(426, "ABOR")
	w.expect(226)
	w = other.connect(t)
	at4 := w.size(name)
	w.say(350, "REST %d", at4)
	d = w.open("STOR %s", name)
	r.send(t, d, at4, resumeSize)
	d.Close()
	w.expect(226)
	if got := r.bucket.sum(name); got != r.want {
		t.Errorf("S3 has %s, want %s", got, r.want)
	}
}
