package transfers

import (
	"fmt"
	"net"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestSupersededSession leaves the first session of an upload open, while another session, of the same or another process, resumes the upload.
// Nothing that the first session does after that may have an effect.
func TestSupersededSession(t *testing.T) {
	r := newResumeTest(t)
	other := r.bridge.Again(t, real.FreeAddr(t))
	for where, b := range map[string]*harness.Server{"here": r.bridge, "elsewhere": other} {
		for _, last := range []string{"ABOR", "data", "end"} {
			if last == "end" && b == other {
				continue // both are complete uploads then, and the later one wins
			}
			t.Run(where+"/"+last, func(t *testing.T) {
				name := where + "-" + last
				zombie := r.bridge.Connect(t)
				data := zombie.Open("STOR %s", name)
				r.send(t, data, 0, 17*harness.MiB)
				harness.Until(t, "parts in S3", func() bool { return r.bucket.PartBytes(name) >= 16*harness.MiB })
				w := b.Connect(t)
				half := r.resumeHalf(t, w, name)
				switch last { // in the middle of the other one
				case "ABOR":
					zombie.Cmd(426, "ABOR")
				case "data":
					data.SetLinger(0)
					data.Close()
					zombie.Expect(426)
				case "end": // the first client seems to be done
					data.Close()
					zombie.Expect(450)
				}
				half(r)
				w.Expect(226)
				if got := r.bucket.Sum(name); got != r.want {
					t.Errorf("S3 has %s, want %s", got, r.want)
				}
			})
		}
	}
}

// resumeHalf resumes at the size that the server reports, and sends half of the missing bytes; the returned function sends the rest.
func (r *resumeTest) resumeHalf(t *testing.T, w *harness.Client, name string) func(*resumeTest) {
	t.Helper()
	var at int64
	fmt.Sscan(w.Cmd(213, "SIZE %s", name), &at)
	data := w.OpenAt(at, name)
	middle := (at + resumeSize) / 2
	r.send(t, data, at, middle)
	return func(r *resumeTest) {
		t.Helper()
		r.send(t, data, middle, resumeSize)
		data.Close()
	}
}

// TestTwoSenders resumes an upload twice in another process, while its first session still receives and then replaces one of their
// parts: 8 MiB from 8 MiB on, where theirs ends a little earlier. The published file must not be a mixture.
func TestTwoSenders(t *testing.T) {
	r := newResumeTest(t)
	other := r.bridge.Again(t, real.FreeAddr(t))
	name := "two"
	zombie := r.bridge.Connect(t)
	data := zombie.Open("STOR %s", name)
	r.send(t, data, 0, 11*harness.MiB)
	harness.Until(t, "a part in S3", func() bool { return r.bucket.PartBytes(name) >= 8*harness.MiB })

	resume := func(to int64) (*harness.Client, *net.TCPConn, int64) {
		w := other.Connect(t)
		at := w.Size(name)
		data := w.OpenAt(at, name)
		r.send(t, data, at, to)
		return w, data, at
	}
	w, _, _ := resume(16*harness.MiB - 100)
	for range 500 {
		w.Cmd(200, "NOOP") // so that it has been read
	}
	w.Cmd(426, "ABOR")
	w.Expect(226)

	w, _, at := resume(25 * harness.MiB)
	harness.Until(t, "its part in S3", func() bool { return r.bucket.PartBytes(name) >= at+8*harness.MiB })
	if at <= 8*harness.MiB || at == 16*harness.MiB {
		t.Fatalf("the second left %d bytes", at)
	}

	r.send(t, data, 11*harness.MiB, 17*harness.MiB)
	harness.Until(t, "the first's part", func() bool { return r.bucket.PartBytes(name) != at+8*harness.MiB })
	w.Cmd(426, "ABOR")
	w.Expect(226)
	w, rest, _ := resume(resumeSize)
	rest.Close()
	w.Expect(226)
	if got := r.bucket.Sum(name); got != r.want {
		t.Errorf("S3 has %s, want %s", got, r.want)
	}
}
