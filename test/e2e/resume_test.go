package e2e

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// A resumeTest has a file to upload, a bucket, and one or two bridges in front of it.
type resumeTest struct {
	t      *testing.T
	bridge *bridge
	bucket bucketView
	local  string
	want   string
}

const resumeSize = 30 * mib

func newResumeTest(t *testing.T) *resumeTest {
	server := real.MinIO(t)
	r := &resumeTest{t: t, bucket: newBucket(t, server), local: filepath.Join(t.TempDir(), "file")}
	r.bridge = startBridge(t, server, "--log-level", "debug")
	r.want = makeFile(t, r.local, resumeSize)
	return r
}

// TestResume breaks uploads of real clients, and has them go on.
func TestResume(t *testing.T) {
	t.Parallel()
	r := newResumeTest(t)
	other := r.bridge.again(t, real.FreeAddr(t))
	breaks := []struct {
		name  string
		bytes int64 // that arrive before the fault
		safe  int64 // of them in S3 before the fault: a reset destroys what the bridge has not read
		fault func(*line)
		on    func() *bridge // the one that the client comes back to
	}{
		{"reset", 21*mib + 12345, 8 * mib, resetAll, func() *bridge { return r.bridge }},
		{"data reset", 17*mib + 1, 8 * mib, resetData, func() *bridge { return r.bridge }},
		{"half open", 21*mib + 12345, 16 * mib, loseClient, func() *bridge { return r.bridge }},
		{"half open, other bridge", 27 * mib, 16 * mib, loseClient, func() *bridge { return other }},
		{"at the end", resumeSize, 16 * mib, resetControl, func() *bridge { return r.bridge }},
		{"at the end, other bridge", resumeSize, 16 * mib, resetControl, func() *bridge { return other }},
	}
	for _, c := range resumers {
		for _, b := range breaks {
			name := strings.NewReplacer(" ", "-", ",", "").Replace(c.name + " " + b.name)
			t.Run(name, func(t *testing.T) {
				real.Client(t, c.program)
				n := newNetwork(t, r.bridge.addr, b.bytes, func(l *line) {
					until(t, "parts in S3", func() bool { return r.bucket.parts(name) >= b.safe })
					b.fault(l)
				})
				breakOff(t, n, c.args(t, n.addr, r.local, name)...)
				r.goOn(t, b.on(), name, c.args)
			})
		}
	}
}

// breakOff runs a client until its network fails. It is killed then, as some do not give up.
func breakOff(t *testing.T, n *network, args ...string) {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-n.cut:
		cmd.Process.Kill()
		<-ended
	case err := <-ended:
		select {
		case <-n.cut:
		case <-time.After(time.Minute):
			t.Fatalf("the client ended with %v, and the network has not failed", err)
		}
	}
}

// goOn has a client go on, and checks that the file is whole and was not sent from its beginning.
func (r *resumeTest) goOn(t *testing.T, b *bridge, name string, args func(t testing.TB, addr, local, remote string) []string) {
	t.Helper()
	if got := r.bucket.sum(name); got != "absent" {
		t.Fatalf("before: S3 has %s", got)
	}
	from := b.log.mark()
	out := run(t, t.TempDir(), "", args(t, b.addr, r.local, name)...)
	if got := r.bucket.sum(name); got != r.want {
		t.Fatalf("S3 has %s, want %s\n%s", got, r.want, out)
	}
	at := b.log.awaitFrom(t, from, "resuming an upload", "key="+name)["bytes"].(float64)
	sent := b.log.awaitFrom(t, from, "transfer", "name=/"+name, "code=226")["bytes"].(float64)
	if at < float64(5*mib) || at+sent > float64(resumeSize)+1 {
		t.Errorf("it went on at %.0f and sent %.0f bytes more", at, sent)
	}
	if n := r.bucket.running(name); n > 0 {
		t.Errorf("%d multipart uploads are left", n)
	}
}

// TestResumeAfterKill kills the bridge in mid-upload; the client goes on with the next one on the same port.
func TestResumeAfterKill(t *testing.T) {
	r := newResumeTest(t)
	for _, c := range resumers {
		t.Run(c.name, func(t *testing.T) {
			real.Client(t, c.program)
			n := newNetwork(t, r.bridge.addr, 27*mib, func(*line) {
				until(t, "a part in S3", func() bool { return r.bucket.parts(c.name) >= 8*mib })
				r.bridge.kill()
			})
			breakOff(t, n, c.args(t, n.addr, r.local, c.name)...)
			r.bridge = r.bridge.again(r.t, r.bridge.addr)
			r.goOn(t, r.bridge, c.name, c.args)
		})
	}
}

// TestResumeByItself: lftp does not end when its connections break, but comes back, asks for the size and goes on.
func TestResumeByItself(t *testing.T) {
	real.Client(t, "lftp")
	r := newResumeTest(t)
	n := newNetwork(t, r.bridge.addr, 21*mib+12345, resetAll)
	run(t, t.TempDir(), "", lftpArgs(n.addr, 3, "put "+r.local+" -o itself")...)
	if got := r.bucket.sum("itself"); got != r.want {
		t.Errorf("S3 has %s, want %s", got, r.want)
	}
	r.bridge.log.await(t, "resuming an upload", "key=itself")
}

// TestResumeBesideAnOldFile breaks an upload over a file that is there. The size that clients are told is the old file's;
// what they send from there on belongs to another one.
func TestResumeBesideAnOldFile(t *testing.T) {
	r := newResumeTest(t)
	for _, c := range resumers {
		t.Run(c.name, func(t *testing.T) {
			real.Client(t, c.program)
			r.bucket.put(c.name, oldContent)
			w := r.bridge.connect(t)
			data := w.open("STOR %s", c.name)
			r.send(t, data, 0, 21*mib)
			w.say(426, "ABOR")
			w.expect(226)
			out, err := try(t, t.TempDir(), "", c.args(t, r.bridge.addr, r.local, c.name)...)
			switch got := r.bucket.sum(c.name); got {
			case r.want: // the client began anew
			case sumOf(t, strings.NewReader(oldContent)):
				if err == nil {
					t.Errorf("the client takes the old file for its own: %s", out)
				}
				r.resume(t, c.name, w.stands(c.name))
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

// resume goes on from where an upload stands, which the client knows.
func (r *resumeTest) resume(t *testing.T, name string, at int64) {
	t.Helper()
	w := r.bridge.connect(t)
	data := w.openAt(at, name)
	r.send(t, data, at, resumeSize)
	data.Close()
	w.expect(226)
	if got := r.bucket.sum(name); got != r.want {
		t.Errorf("S3 has %s, want %s", got, r.want)
	}
}
