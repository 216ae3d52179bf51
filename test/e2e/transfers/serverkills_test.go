package transfers

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestServerKills kills s3ftpd at random points of uploads; the client resumes or starts anew.
func TestServerKills(t *testing.T) {
	server := real.MinIO(t)
	view := harness.NewBucket(t, server)
	b := harness.StartServer(t, server, "--log-level", "debug")
	w, end := view.Watch()
	random := rand.New(rand.NewPCG(20, 26))
	resumed := 0
	for i := range 30 {
		k := kill{name: fmt.Sprint("file-", i), size: random.Int64N(40*harness.MiB + 1)}
		if i%6 == 0 {
			k.size = random.Int64N(64 * harness.KiB)
		}
		k.want = harness.SumOf(t, io.LimitReader(harness.Noise(k.name), k.size))
		old := "absent"
		if i%3 == 0 {
			old = harness.SumOf(t, strings.NewReader(harness.OldContent))
			w.Allow(k.name, old)
			view.Put(k.name, harness.OldContent)
		}
		w.Allow(k.name, old, k.want)
		k.after = random.Int64N(k.size*5/4 + 1) // after the end in one of five
		if parts := min(k.after, k.size) / (8 * harness.MiB); parts > 0 && i%4 > 0 {
			k.safe = (1 + random.Int64N(parts)) * 8 * harness.MiB
		}
		k.upload(t, b, view)
		b = b.Again(t, b.Addr)
		if at := k.resume(t, b, view); at > 0 {
			resumed++
		}
		if got := view.Sum(k.name); got != k.want {
			t.Fatalf("%+v: S3 has %s", k, got)
		}
	}
	end()
	t.Logf("%d of 30 uploads were resumed, the others began anew; %d objects were seen", resumed, len(w.Seen))
	if resumed < 5 || len(w.Seen) < 30 {
		t.Error("that is too few to prove anything")
	}
}

// A kill is an upload during which s3ftpd is killed after that many bytes, as soon as S3 has some of them, or after the end.
type kill struct {
	name        string
	size, after int64
	safe        int64
	want        string
}

func (k kill) upload(t *testing.T, b *harness.Server, v harness.Bucket) {
	t.Helper()
	data := b.Connect(t).Open("STOR %s", k.name)
	if _, err := io.CopyN(data, harness.Noise(k.name), min(k.size, k.after)); err != nil {
		t.Fatal(err)
	}
	if k.after >= k.size {
		data.CloseWrite()
	} else if k.safe > 0 {
		harness.Until(t, "parts in S3", func() bool { return v.PartBytes(k.name) >= k.safe })
	}
	b.Kill()
	data.Close()
}

// resume completes the upload as a client that asks for the size first, and returns the offset at which it resumed.
func (k kill) resume(t *testing.T, b *harness.Server, v harness.Bucket) (at int64) {
	t.Helper()
	switch v.Sum(k.name) {
	case k.want:
		return 0 // it was killed after the upload
	case "absent":
		at = b.Connect(t).Size(k.name)
	default:
		if v.PartBytes(k.name) > 0 {
			at = b.Connect(t).Offset(k.name)
		}
	}
	w := b.Connect(t)
	data := w.OpenAt(at, k.name)
	content := io.LimitReader(harness.Noise(k.name), k.size)
	io.CopyN(io.Discard, content, at)
	if _, err := io.Copy(data, content); err != nil {
		t.Fatal(err)
	}
	data.Close()
	w.Expect(226)
	if n := v.PartBytes(k.name); n > 0 { // an upload without a first part could be that of any client
		t.Errorf("%+v: a multipart upload of %d bytes is left", k, n)
	}
	return at
}
