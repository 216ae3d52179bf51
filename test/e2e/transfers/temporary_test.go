package transfers

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/test/faults"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// temporaryWays are the commands with which clients upload under another name first; "|" marks the upload to the name before it.
var temporaryWays = map[string]string{
	"WinSCP":           "%s.filepart | RNFR %[1]s.filepart | RNTO %[1]s | MFMT 20260102030405 %[1]s",
	"WinSCP, replaces": "%s.filepart | DELE %[1]s | RNFR %[1]s.filepart | RNTO %[1]s | MFMT 20260102030405 %[1]s",
	"rclone":           "%s.1a2b3c4d.partial | MFMT 20260102030405 %[1]s.1a2b3c4d.partial | RNFR %[1]s.1a2b3c4d.partial | RNTO %[1]s",
	"SAP":              "%s.tmp | RNFR %[1]s.tmp | RNTO %[1]s | SITE UTIME 20260102030405 %[1]s",
	"camera":           "%s.in.x. | SITE CHMOD 644 %[1]s.in.x. | RNFR %[1]s.in.x. | RNTO %[1]s | MFMT 20260102030405 %[1]s",
	"lftp":             "%s.part | SIZE %[1]s.part | RNFR %[1]s.part | RNTO %[1]s | MFMT 20260102030405 %[1]s",
}

// TestTemporaryNames: in each way, over an existing file too, the file ends up exact, with its type and time, and nothing else remains.
// No part of it is ever visible.
func TestTemporaryNames(t *testing.T) {
	server := real.MinIO(t)
	view := harness.NewBucket(t, server)
	b := harness.StartServer(t, server, "--part-size", "5MiB")
	seen, end := view.Watch()
	w := b.Connect(t)
	for way, script := range temporaryWays {
		for _, size := range []int64{0, 1000, 12 * harness.MiB} {
			name := fmt.Sprintf("%s %d/photo.jpg", way, size)
			steps := strings.Split(fmt.Sprintf(script, name), " | ")
			want := harness.SumOf(t, io.LimitReader(harness.Noise(name), size))
			seen.Allow(steps[0], want)
			seen.Allow(name, want, harness.SumOf(t, strings.NewReader(harness.OldContent)))
			view.Put(name, harness.OldContent)
			w.Store(steps[0], io.LimitReader(harness.Noise(name), size))
			for _, step := range steps[1:] {
				if code, text := w.Do("%s", step); code >= 400 {
					t.Fatalf("%s: %d %s", step, code, text)
				}
			}
			if got := view.Sum(name); got != want {
				t.Errorf("%s: S3 has %s, want %s", name, got, want)
			}
			is, err := view.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &view.Name, Key: &name})
			if err != nil {
				t.Fatal(err)
			}
			if got, mtime := aws.ToString(is.ContentType), is.Metadata["mtime"]; got != "image/jpeg" || mtime != "1767323045" {
				t.Errorf("%s: type %q, time %q", name, got, mtime)
			}
			if keys := view.Keys(name[:strings.IndexByte(name, '/')]); len(keys) != 1 {
				t.Errorf("%s: there are %q", name, keys)
			}
		}
	}
	end()
	if len(seen.Seen) < len(temporaryWays) {
		t.Errorf("%d objects were seen, which is too few to prove anything", len(seen.Seen))
	}
}

// TestTemporaryCrash kills s3ftpd between copy and deletion: both names exist, and renaming again completes the rename.
func TestTemporaryCrash(t *testing.T) {
	server := real.MinIO(t)
	view := harness.NewBucket(t, server)
	p := harness.NewFaultProxy(t, server)
	b := harness.StartServer(t, &p.S3)
	w := b.Connect(t)
	view.Put("crash/x", harness.OldContent)
	w.Store("crash/x.tmp", strings.NewReader("new"))
	w.Cmd(350, "RNFR crash/x.tmp")
	p.Script("crash", harness.When("DeleteObject", 1, func(_ *faults.Proxy, rw http.ResponseWriter, _ *http.Request) {
		b.Cmd.Process.Kill()
		faults.Cut(rw)
	}))
	if err := w.Conn.PrintfLine("RNTO crash/x"); err != nil {
		t.Fatal(err)
	}
	if line, err := w.Conn.ReadLine(); err == nil {
		t.Fatalf("the reply is %q", line)
	}
	b.Cmd.Wait()
	want := harness.SumOf(t, strings.NewReader("new"))
	for _, key := range []string{"crash/x", "crash/x.tmp"} {
		if got := view.Sum(key); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
	w = b.Again(t, b.Addr).Connect(t)
	w.Cmd(350, "RNFR crash/x.tmp")
	w.Cmd(250, "RNTO crash/x")
	if x, tmp := view.Sum("crash/x"), view.Sum("crash/x.tmp"); x != want || tmp != "absent" {
		t.Errorf("after a second try there are %s and %s", x, tmp)
	}
}

// TestTemporaryOverwritten: a file stored under the temporary name during the rename is not lost, and the new name never gets a
// mixture.
func TestTemporaryOverwritten(t *testing.T) {
	server := real.MinIO(t)
	view := harness.NewBucket(t, server)
	p := harness.NewFaultProxy(t, server)
	w := harness.StartServer(t, &p.S3).Connect(t)
	newer, first := harness.SumOf(t, strings.NewReader("newer")), harness.SumOf(t, strings.NewReader("first"))
	for moment, test := range map[string]struct {
		copies     func(http.ResponseWriter, *http.Request)
		want, left string // under the new name and the temporary one
	}{
		"before the copy": {func(rw http.ResponseWriter, r *http.Request) {
			view.Put("before the copy/x.tmp", "newer")
			p.Forward.ServeHTTP(rw, r)
		}, newer, "absent"},
		"after the copy": {func(rw http.ResponseWriter, r *http.Request) {
			p.Forward.ServeHTTP(rw, r)
			view.Put("after the copy/x.tmp", "newer")
		}, first, newer},
	} {
		view.Put(moment+"/x", harness.OldContent)
		w.Store(moment+"/x.tmp", strings.NewReader("first"))
		p.Script(moment, harness.When("CopyObject", 1, func(_ *faults.Proxy, rw http.ResponseWriter, r *http.Request) { test.copies(rw, r) }))
		w.Cmd(350, "RNFR %s/x.tmp", moment)
		w.Cmd(250, "RNTO %s/x", moment)
		if x, tmp := view.Sum(moment+"/x"), view.Sum(moment+"/x.tmp"); x != test.want || tmp != test.left {
			t.Errorf("overwritten %s: the new name has %s, the temporary one %s; want %s, %s", moment, x, tmp, test.want, test.left)
		}
	}
}
