package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// A watcher looks at the bucket all the time, and at every object that it has not seen before.
type watcher struct {
	bucketView
	mu    sync.Mutex
	whole map[string][]string // the sums that an object may have
	seen  map[string]bool     // keys with their ETags and sizes
}

// watch looks until the function that it returns is called.
func (v bucketView) watch() (*watcher, func()) {
	w := &watcher{bucketView: v, whole: make(map[string][]string), seen: make(map[string]bool)}
	ctx, stop := context.WithCancel(v.t.Context())
	var looking sync.WaitGroup
	looking.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			w.look(ctx)
			<-tick.C
		}
	})
	end := sync.OnceFunc(func() { stop(); looking.Wait() })
	v.t.Cleanup(end)
	return w, end
}

// allow says what an object may be from now on.
func (w *watcher) allow(key string, sums ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.whole[key] = sums
}

func (w *watcher) look(ctx context.Context) {
	list, err := w.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &w.bucket})
	if err != nil {
		return // it is over
	}
	for _, o := range list.Contents {
		id := fmt.Sprintln(aws.ToString(o.Key), aws.ToString(o.ETag), aws.ToInt64(o.Size))
		if w.seen[id] {
			continue
		}
		got, err := w.GetObject(ctx, &s3.GetObjectInput{Bucket: &w.bucket, Key: o.Key, IfMatch: o.ETag})
		if err != nil {
			continue // replaced meanwhile
		}
		var content bytes.Buffer
		n, err := content.ReadFrom(got.Body)
		got.Body.Close()
		if err != nil {
			continue
		}
		if n != aws.ToInt64(o.Size) {
			w.t.Errorf("%s: %d bytes read", strings.TrimSpace(id), n)
		}
		sum := sumOf(w.t, &content)
		w.seen[id] = true
		w.mu.Lock()
		if whole := w.whole[aws.ToString(o.Key)]; !strings.Contains(strings.Join(whole, " "), sum) {
			w.t.Errorf("an object is visible that nobody has sent: %s with SHA-256 %s, want one of %s", strings.TrimSpace(id), sum, whole)
		}
		w.mu.Unlock()
	}
}

// TestBridgeKills kills the bridge at random points of uploads, and has the client go on, or begin anew.
func TestBridgeKills(t *testing.T) {
	server := real.MinIO(t)
	view := newBucket(t, server)
	b := startBridge(t, server, "--log-level", "debug")
	w, end := view.watch()
	random := rand.New(rand.NewPCG(20, 26))
	resumed := 0
	for i := range 30 {
		k := kill{name: fmt.Sprint("file-", i), size: random.Int64N(40*mib + 1)}
		if i%6 == 0 {
			k.size = random.Int64N(64 * kib)
		}
		k.want = sumOf(t, io.LimitReader(noise(k.name), k.size))
		old := "absent"
		if i%3 == 0 {
			old = sumOf(t, strings.NewReader(oldContent))
			w.allow(k.name, old)
			view.put(k.name, oldContent)
		}
		w.allow(k.name, old, k.want)
		k.after = random.Int64N(k.size*5/4 + 1) // beyond the end in one of five
		if parts := min(k.after, k.size) / (8 * mib); parts > 0 && i%4 > 0 {
			k.safe = (1 + random.Int64N(parts)) * 8 * mib
		}
		k.upload(t, b, view)
		b = b.again(t, b.addr)
		if at := k.goOn(t, b, view); at > 0 {
			resumed++
		}
		if got := view.sum(k.name); got != k.want {
			t.Fatalf("%+v: S3 has %s", k, got)
		}
	}
	end()
	t.Logf("%d of 30 uploads were resumed, the others began anew; %d objects were seen", resumed, len(w.seen))
	if resumed < 5 || len(w.seen) < 30 {
		t.Error("that is too few to prove anything")
	}
}

// A kill is an upload in which the bridge is killed after so many bytes, as soon as S3 has some of them; if that is beyond
// the end, after the end.
type kill struct {
	name        string
	size, after int64
	safe        int64
	want        string
}

func (k kill) upload(t *testing.T, b *bridge, v bucketView) {
	t.Helper()
	data := b.connect(t).open("STOR %s", k.name)
	if _, err := io.CopyN(data, noise(k.name), min(k.size, k.after)); err != nil {
		t.Fatal(err)
	}
	if k.after >= k.size {
		data.CloseWrite()
	} else if k.safe > 0 {
		until(t, "parts in S3", func() bool { return v.parts(k.name) >= k.safe })
	}
	b.kill()
	data.Close()
}

// goOn brings the upload to its end as a client does that asks for the size first, and returns where it went on.
func (k kill) goOn(t *testing.T, b *bridge, v bucketView) (at int64) {
	t.Helper()
	switch v.sum(k.name) {
	case k.want:
		return 0 // the kill came after all was done
	case "absent":
		at = b.connect(t).size(k.name)
	default:
		if v.parts(k.name) > 0 {
			at = b.connect(t).stands(k.name)
		}
	}
	w := b.connect(t)
	if at > 0 {
		w.say(350, "REST %d", at)
	}
	data := w.open("STOR %s", k.name)
	content := io.LimitReader(noise(k.name), k.size)
	io.CopyN(io.Discard, content, at)
	if _, err := io.Copy(data, content); err != nil {
		t.Fatal(err)
	}
	data.Close()
	w.expect(226)
	if n := v.parts(k.name); n > 0 { // an upload that has no first part could be anybody's
		t.Errorf("%+v: a multipart upload of %d bytes is left", k, n)
	}
	return at
}

// size asks for the size of a file, 0 if there is none.
func (w *wire) size(name string) (size int64) {
	w.t.Helper()
	if err := w.conn.PrintfLine("SIZE %s", name); err != nil {
		w.t.Fatal(err)
	}
	code, text, err := w.conn.ReadResponse(0)
	if code != 213 && code != 550 {
		w.t.Fatalf("SIZE: %d %s, %v", code, text, err)
	}
	fmt.Sscan(text, &size)
	return size
}

// TestClientKills kills clients after random amounts, and no part of a file is ever published.
func TestClientKills(t *testing.T) {
	curl := real.Client(t, "curl")
	server := real.MinIO(t)
	view := newBucket(t, server)
	b := startBridge(t, server, "--log-level", "debug", "--commit-grace", "100ms")
	w, end := view.watch()
	random := rand.New(rand.NewPCG(50, 0))
	for i := range 50 {
		name := fmt.Sprint("killed-", i)
		w.allow(name) // nothing
		amount := random.Int64N(20*mib) + 1
		if i%5 == 0 {
			amount = random.Int64N(100*kib) + 1
		}
		from := b.log.mark()
		if i%2 == 0 {
			killCurl(t, b, curl, name, amount)
		} else {
			killRaw(t, b, name, amount, random.IntN(2) == 0)
		}
		if e := b.log.awaitFrom(t, from, "transfer", "name=/"+name); e["code"] != 426.0 && e["code"] != 425.0 {
			t.Errorf("%s, killed after %d bytes, ends with %v", name, amount, e["code"])
		}
	}
	end()
	if keys := view.keys(""); len(keys) > 0 {
		t.Errorf("of 50 uploads that were killed, these were published: %q", keys)
	}
}

func killCurl(t *testing.T, b *bridge, curl, name string, amount int64) {
	t.Helper()
	cmd := exec.Command(curl, "-sS", "-u", user+":"+password, "-T", "-", "ftp://"+b.addr+"/"+name)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	from := b.log.mark()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(stdin, noise(name), amount); err != nil {
		t.Fatal(err)
	}
	b.log.awaitFrom(t, from, "command", "command=STOR")
	cmd.Process.Kill()
	cmd.Wait()
	stdin.Close()
}

// killRaw ends a client's connections as the kernel does for a process that is killed: one after the other, with a FIN.
func killRaw(t *testing.T, b *bridge, name string, amount int64, dataFirst bool) {
	t.Helper()
	w := b.connect(t)
	data := w.open("STOR %s", name)
	if _, err := io.CopyN(data, noise(name), amount); err != nil {
		t.Fatal(err)
	}
	first, second := io.Closer(w.conn), io.Closer(data)
	if dataFirst {
		first, second = second, first
	}
	first.Close()
	second.Close()
}
