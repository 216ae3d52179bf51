package e2e

import (
	"fmt"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestZombie leaves the first session of an upload as it is, half open, while another one, of another process or of the
// same, resumes it. Whatever the first does after that, nothing comes of it.
func TestZombie(t *testing.T) {
	r := newResumeTest(t)
	other := r.bridge.again(t, real.FreeAddr(t))
	for where, b := range map[string]*bridge{"here": r.bridge, "elsewhere": other} {
		for _, last := range []string{"ABOR", "data", "end"} {
			if last == "end" && b == other {
				continue // then both are complete uploads, and the later one wins
			}
			t.Run(where+"/"+last, func(t *testing.T) {
				name := where + "-" + last
				zombie := r.bridge.connect(t)
				data := zombie.open("STOR %s", name)
				r.send(t, data, 0, 17*mib)
				until(t, "parts in S3", func() bool { return r.bucket.parts(name) >= 16*mib })
				w := b.connect(t)
				half := w.resumeAt(t, r, name)
				switch last { // in the middle of the other one
				case "ABOR":
					zombie.say(426, "ABOR")
				case "data":
					data.SetLinger(0)
					data.Close()
					zombie.expect(426)
				case "end": // a lie: the client seems to be done
					data.Close()
					zombie.expect(450)
				}
				half(r)
				w.expect(226)
				if got := r.bucket.sum(name); got != r.want {
					t.Errorf("S3 has %s, want %s", got, r.want)
				}
			})
		}
	}
}

// resumeAt goes on from the size that the bridge tells, up to the middle of what is missing; the function that it returns
// sends the rest.
func (w *wire) resumeAt(t *testing.T, r *resumeTest, name string) func(*resumeTest) {
	t.Helper()
	var at int64
	fmt.Sscan(w.say(213, "SIZE %s", name), &at)
	data := w.openAt(at, name)
	middle := (at + resumeSize) / 2
	r.send(t, data, at, middle)
	return func(r *resumeTest) {
		t.Helper()
		r.send(t, data, middle, resumeSize)
		data.Close()
	}
}
