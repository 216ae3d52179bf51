package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/test/faults"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// temporaryWays are how clients upload under another name first; "|" is where the file is sent to the name before it.
var temporaryWays = map[string]string{
	"WinSCP":           "%s.filepart | RNFR %[1]s.filepart | RNTO %[1]s | MFMT 20260102030405 %[1]s",
	"WinSCP, replaces": "%s.filepart | DELE %[1]s | RNFR %[1]s.filepart | RNTO %[1]s | MFMT 20260102030405 %[1]s",
	"rclone":           "%s.1a2b3c4d.partial | MFMT 20260102030405 %[1]s.1a2b3c4d.partial | RNFR %[1]s.1a2b3c4d.partial | RNTO %[1]s",
	"SAP":              "%s.tmp | RNFR %[1]s.tmp | RNTO %[1]s | SITE UTIME 20260102030405 %[1]s",
	"camera":           "%s.in.x. | SITE CHMOD 644 %[1]s.in.x. | RNFR %[1]s.in.x. | RNTO %[1]s | MFMT 20260102030405 %[1]s",
	"lftp":             "%s.part | SIZE %[1]s.part | RNFR %[1]s.part | RNTO %[1]s | MFMT 20260102030405 %[1]s",
}

// TestTemporaryNames: however a file comes to its name, over another one too, it is there whole, with its type and time, and
// nothing else is; and all the time nobody sees a part of it.
func TestTemporaryNames(t *testing.T) {
	server := real.MinIO(t)
	view := newBucket(t, server)
	b := startBridge(t, server, "--part-size", "5MiB")
	seen, end := view.watch()
	w := b.connect(t)
	for way, script := range temporaryWays {
		for _, size := range []int64{0, 1000, 12 * mib} {
			name := fmt.Sprintf("%s %d/photo.jpg", way, size)
			steps := strings.Split(fmt.Sprintf(script, name), " | ")
			want := sumOf(t, io.LimitReader(noise(name), size))
			seen.allow(steps[0], want)
			seen.allow(name, want, sumOf(t, strings.NewReader(oldContent)))
			view.put(name, oldContent)
			w.store(steps[0], io.LimitReader(noise(name), size))
			for _, step := range steps[1:] {
				if code, text := w.ask("%s", step); code >= 400 {
					t.Fatalf("%s: %d %s", step, code, text)
				}
			}
			if got := view.sum(name); got != want {
				t.Errorf("%s: S3 has %s, want %s", name, got, want)
			}
			is, err := view.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &view.bucket, Key: &name})
			if err != nil {
				t.Fatal(err)
			}
			if got, mtime := aws.ToString(is.ContentType), is.Metadata["mtime"]; got != "image/jpeg" || mtime != "1767323045" {
				t.Errorf("%s: type %q, time %q", name, got, mtime)
			}
			if keys := view.keys(name[:strings.IndexByte(name, '/')]); len(keys) != 1 {
				t.Errorf("%s: there are %q", name, keys)
			}
		}
	}
	end()
	if len(seen.seen) < len(temporaryWays) {
		t.Errorf("%d objects were seen, which is too few to prove anything", len(seen.seen))
	}
}

// TestTemporaryCrash ends the bridge between copy and deletion: both names are there, and who renames again is done.
func TestTemporaryCrash(t *testing.T) {
	server := real.MinIO(t)
	view := newBucket(t, server)
	p := newFaultProxy(t, server)
	b := startBridge(t, &p.s3)
	w := b.connect(t)
	view.put("crash/x", oldContent)
	w.store("crash/x.tmp", strings.NewReader("new"))
	w.say(350, "RNFR crash/x.tmp")
	p.script("crash", rule{"DeleteObject", 1, func(_ *faults.Proxy, rw http.ResponseWriter, _ *http.Request) {
		b.cmd.Process.Kill()
		cut(rw)
	}})
	if err := w.conn.PrintfLine("RNTO crash/x"); err != nil {
		t.Fatal(err)
	}
	if line, err := w.conn.ReadLine(); err == nil {
		t.Fatalf("the reply is %q", line)
	}
	b.cmd.Wait()
	want := sumOf(t, strings.NewReader("new"))
	for _, key := range []string{"crash/x", "crash/x.tmp"} {
		if got := view.sum(key); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
	w = b.again(t, b.addr).connect(t)
	w.say(350, "RNFR crash/x.tmp")
	w.say(250, "RNTO crash/x")
	if x, tmp := view.sum("crash/x"), view.sum("crash/x.tmp"); x != want || tmp != "absent" {
		t.Errorf("after a second try there are %s and %s", x, tmp)
	}
}

// TestTemporaryOverwritten: what is stored under the temporary name while it is renamed is not lost, and the new name never
// gets a mixture.
func TestTemporaryOverwritten(t *testing.T) {
	server := real.MinIO(t)
	view := newBucket(t, server)
	p := newFaultProxy(t, server)
	w := startBridge(t, &p.s3).connect(t)
	newer, first := sumOf(t, strings.NewReader("newer")), sumOf(t, strings.NewReader("first"))
	for when, test := range map[string]struct {
		copies     func(http.ResponseWriter, *http.Request)
		want, left string // under the new name and the temporary one
	}{
		"before the copy": {func(rw http.ResponseWriter, r *http.Request) {
			view.put("before the copy/x.tmp", "newer")
			p.Forward.ServeHTTP(rw, r)
		}, newer, "absent"},
		"after the copy": {func(rw http.ResponseWriter, r *http.Request) {
			p.Forward.ServeHTTP(rw, r)
			view.put("after the copy/x.tmp", "newer")
		}, first, newer},
	} {
		view.put(when+"/x", oldContent)
		w.store(when+"/x.tmp", strings.NewReader("first"))
		p.script(when, rule{"CopyObject", 1, func(_ *faults.Proxy, rw http.ResponseWriter, r *http.Request) { test.copies(rw, r) }})
		w.say(350, "RNFR %s/x.tmp", when)
		w.say(250, "RNTO %s/x", when)
		if x, tmp := view.sum(when+"/x"), view.sum(when+"/x.tmp"); x != test.want || tmp != test.left {
			t.Errorf("overwritten %s: the new name has %s, the temporary one %s; want %s, %s", when, x, tmp, test.want, test.left)
		}
	}
}

// BenchmarkTemporary1000x4KiB stores files under temporary names and renames them, and in turn under their own.
func BenchmarkTemporary1000x4KiB(b *testing.B) {
	x := newBenchmark(b)
	w := x.bridge.connect(b)
	content := string(block[:4*kib])
	var plain, temporary time.Duration
	for b.Loop() {
		begin := time.Now()
		for i := range 1000 {
			w.store(fmt.Sprintf("plain/%d", i), strings.NewReader(content))
		}
		plain += time.Since(begin)
		begin = time.Now()
		for i := range 1000 {
			name := fmt.Sprintf("temporary/%d", i)
			w.store(name+".tmp", strings.NewReader(content))
			w.say(350, "RNFR %s.tmp", name)
			w.say(250, "RNTO %s", name)
		}
		temporary += time.Since(begin)
	}
	files := 1000 * float64(b.N)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(files/plain.Seconds(), "plain-files/s")
	b.ReportMetric(files/temporary.Seconds(), "files/s")
	b.ReportMetric(temporary.Seconds()/plain.Seconds(), "times-plain")
}
