package transfers

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// A resumeTest has a file to upload, a bucket, and one or two servers in front of it.
type resumeTest struct {
	t      *testing.T
	bridge *harness.Server
	bucket harness.Bucket
	local  string
	want   string
}

const resumeSize = 30 * harness.MiB

func newResumeTest(t *testing.T) *resumeTest {
	server := real.MinIO(t)
	r := &resumeTest{t: t, bucket: harness.NewBucket(t, server), local: filepath.Join(t.TempDir(), "file")}
	r.bridge = harness.StartServer(t, server, "--log-level", "debug")
	r.want = harness.MakeFile(t, r.local, resumeSize)
	return r
}

// TestResume breaks uploads of real clients, and resumes them.
func TestResume(t *testing.T) {
	t.Parallel()
	r := newResumeTest(t)
	other := r.bridge.Again(t, real.FreeAddr(t))
	breaks := []struct {
		name  string
		bytes int64 // that arrive before the fault
		safe  int64 // of them in S3 before the fault: a reset destroys unread data
		fault func(*harness.Session)
		on    func() *harness.Server // the server that the client resumes at
	}{
		{"reset", 21*harness.MiB + 12345, 8 * harness.MiB, harness.ResetAll, func() *harness.Server { return r.bridge }},
		{"data reset", 17*harness.MiB + 1, 8 * harness.MiB, harness.ResetData, func() *harness.Server { return r.bridge }},
		{"half open", 21*harness.MiB + 12345, 16 * harness.MiB, harness.LoseClient, func() *harness.Server { return r.bridge }},
		{"half open, other bridge", 27 * harness.MiB, 16 * harness.MiB, harness.LoseClient, func() *harness.Server { return other }},
		{"at the end", resumeSize, 16 * harness.MiB, harness.ResetControl, func() *harness.Server { return r.bridge }},
		{"at the end, other bridge", resumeSize, 16 * harness.MiB, harness.ResetControl, func() *harness.Server { return other }},
	}
	for _, c := range resumers {
		for _, b := range breaks {
			name := strings.NewReplacer(" ", "-", ",", "").Replace(c.name + " " + b.name)
			t.Run(name, func(t *testing.T) {
				real.Client(t, c.program)
				n := harness.NewFTPProxy(t, r.bridge.Addr, b.bytes, func(l *harness.Session) {
					harness.Until(t, "parts in S3", func() bool { return r.bucket.PartBytes(name) >= b.safe })
					b.fault(l)
				})
				breakUpload(t, n, c.args(t, n.Addr, r.local, name)...)
				r.resumeWith(t, b.on(), name, c.args)
			})
		}
	}
}

// breakUpload runs a client until its network fails, and kills it then, since some clients do not give up.
func breakUpload(t *testing.T, n *harness.FTPProxy, args ...string) {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-n.Cut:
		cmd.Process.Kill()
		<-ended
	case err := <-ended:
		select {
		case <-n.Cut:
		case <-time.After(time.Minute):
			t.Fatalf("the client ended with %v, and the network has not failed", err)
		}
	}
}

// resumeWith resumes with a client, and checks that the file is exact and was not sent from its beginning.
func (r *resumeTest) resumeWith(t *testing.T, b *harness.Server, name string, args func(t testing.TB, addr, local, remote string) []string) {
	t.Helper()
	if got := r.bucket.Sum(name); got != "absent" {
		t.Fatalf("before: S3 has %s", got)
	}
	from := b.Log.Mark()
	out := harness.Run(t, t.TempDir(), "", args(t, b.Addr, r.local, name)...)
	if got := r.bucket.Sum(name); got != r.want {
		t.Fatalf("S3 has %s, want %s\n%s", got, r.want, out)
	}
	at := b.Log.AwaitFrom(t, from, "resuming an upload", "key="+name)["bytes"].(float64)
	sent := b.Log.AwaitFrom(t, from, "transfer", "name=/"+name, "code=226")["bytes"].(float64)
	if at < float64(5*harness.MiB) || at+sent > float64(resumeSize)+1 {
		t.Errorf("it went on at %.0f and sent %.0f bytes more", at, sent)
	}
	if n := r.bucket.Uploads(name); n > 0 {
		t.Errorf("%d multipart uploads are left", n)
	}
}

// TestResumeAfterKill kills s3ftpd in mid-upload; the client resumes at the next one on the same port.
func TestResumeAfterKill(t *testing.T) {
	r := newResumeTest(t)
	for _, c := range resumers {
		t.Run(c.name, func(t *testing.T) {
			real.Client(t, c.program)
			n := harness.NewFTPProxy(t, r.bridge.Addr, 27*harness.MiB, func(*harness.Session) {
				harness.Until(t, "a part in S3", func() bool { return r.bucket.PartBytes(c.name) >= 8*harness.MiB })
				r.bridge.Kill()
			})
			breakUpload(t, n, c.args(t, n.Addr, r.local, c.name)...)
			r.bridge = r.bridge.Again(r.t, r.bridge.Addr)
			r.resumeWith(t, r.bridge, c.name, c.args)
		})
	}
}

// TestResumeByItself: when its connections break, lftp reconnects, asks for the size and resumes.
func TestResumeByItself(t *testing.T) {
	real.Client(t, "lftp")
	r := newResumeTest(t)
	n := harness.NewFTPProxy(t, r.bridge.Addr, 21*harness.MiB+12345, harness.ResetAll)
	harness.Run(t, t.TempDir(), "", harness.LftpArgs(n.Addr, 3, "put "+r.local+" -o itself")...)
	if got := r.bucket.Sum("itself"); got != r.want {
		t.Errorf("S3 has %s, want %s", got, r.want)
	}
	r.bridge.Log.Await(t, "resuming an upload", "key=itself")
}

// TestResumeBesideAnOldFile breaks an upload over an existing file. SIZE is the old file's, and the data that clients send from there on
// belongs to the new one.
func TestResumeBesideAnOldFile(t *testing.T) {
	r := newResumeTest(t)
	for _, c := range resumers {
		t.Run(c.name, func(t *testing.T) {
			real.Client(t, c.program)
			r.bucket.Put(c.name, harness.OldContent)
			w := r.bridge.Connect(t)
			data := w.Open("STOR %s", c.name)
			r.send(t, data, 0, 21*harness.MiB)
			w.Cmd(426, "ABOR")
			w.Expect(226)
			out, err := harness.Try(t, t.TempDir(), "", c.args(t, r.bridge.Addr, r.local, c.name)...)
			switch got := r.bucket.Sum(c.name); got {
			case r.want: // the client started from the beginning
			case harness.SumOf(t, strings.NewReader(harness.OldContent)):
				if err == nil {
					t.Errorf("the client takes the old file for its own: %s", out)
				}
				r.resume(t, c.name, w.Offset(c.name))
			default:
				t.Fatalf("S3 has %s, want %s\n%s", got, r.want, out)
			}
		})
	}
}

// send sends the file's bytes from one offset to another.
func (r *resumeTest) send(t *testing.T, data *net.TCPConn, from, to int64) {
	t.Helper()
	f, err := os.Open(r.local)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(data, io.NewSectionReader(f, from, to-from)); err != nil {
		t.Fatal(err)
	}
}

// resume resumes an upload at an offset that the client knows.
func (r *resumeTest) resume(t *testing.T, name string, at int64) {
	t.Helper()
	w := r.bridge.Connect(t)
	data := w.OpenAt(at, name)
	r.send(t, data, at, resumeSize)
	data.Close()
	w.Expect(226)
	if got := r.bucket.Sum(name); got != r.want {
		t.Errorf("S3 has %s, want %s", got, r.want)
	}
}
