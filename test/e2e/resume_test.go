package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// resumers are the command lines with which real clients upload a file, and go on with an upload that broke. All of them
// ask for the size first; curl goes on with APPE, the others with REST and STOR.
var resumers = []struct {
	name    string
	program string
	args    func(t testing.TB, addr, local, remote string) []string
}{
	{"curl", "curl", func(_ testing.TB, addr, local, remote string) []string {
		return []string{"curl", "-sS", "--max-time", "60", "-u", user + ":" + password, "-C", "-", "-T", local, "ftp://" + addr + "/" + remote}
	}},
	{"lftp-put-c", "lftp", func(_ testing.TB, addr, local, remote string) []string {
		return lftpArgs(addr, 1, fmt.Sprintf("put -c %s -o %s", local, remote))
	}},
	{"lftp-reput", "lftp", func(_ testing.TB, addr, local, remote string) []string {
		return lftpArgs(addr, 1, fmt.Sprintf("reput %s -o %s", local, remote))
	}},
	{"ftplib", "python3", func(t testing.TB, addr, local, remote string) []string {
		script := filepath.Join(t.TempDir(), "resume.py")
		if err := os.WriteFile(script, []byte(ftplibResume), 0o666); err != nil {
			t.Fatal(err)
		}
		host, port, _ := net.SplitHostPort(addr)
		return []string{"python3", script, host, port, user, password, local, remote}
	}},
}

// lftpArgs is a command line that does one thing, with a number of attempts.
func lftpArgs(addr string, attempts int, command string) []string {
	return []string{"lftp", "--norc", "-c", fmt.Sprintf("set net:max-retries %d; set net:reconnect-interval-base 0; set net:timeout 30; "+
		"set ftp:ssl-allow no; open -u %s,%s ftp://%s && %s", attempts, user, password, addr, command)}
}

// ftplibResume asks how much is there, as a script has to that wants to resume.
const ftplibResume = `import ftplib, sys
host, port, user, password, local, remote = sys.argv[1:]
ftp = ftplib.FTP()
ftp.connect(host, int(port), timeout=60)
ftp.login(user, password)
ftp.voidcmd("TYPE I")
try:
    at = ftp.size(remote)
except ftplib.error_perm:
    at = 0
with open(local, "rb") as f:
    f.seek(at)
    print(ftp.storbinary("STOR " + remote, f, blocksize=1 << 16, rest=at or None))
ftp.quit()
`

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

// again starts the program once more, with the same command line except for the address.
func (b *bridge) again(t testing.TB, addr string) *bridge {
	t.Helper()
	args := append([]string(nil), b.cmd.Args[1:]...)
	for i := range args {
		if args[i] == b.addr {
			args[i] = addr
		}
	}
	return start(t, addr, b.cmd.Env[2:], args...)
}

// kill ends the program as nothing else does.
func (b *bridge) kill() {
	b.cmd.Process.Kill()
	b.cmd.Wait()
}

// parts returns how many bytes of an upload S3 has, in parts from the first on, without a gap.
func (v bucketView) parts(key string) (bytes int64) {
	v.t.Helper()
	open, err := v.ListMultipartUploads(v.t.Context(), &s3.ListMultipartUploadsInput{Bucket: &v.bucket, Prefix: &key})
	if err != nil {
		v.t.Fatal(err)
	}
	for _, u := range open.Uploads {
		parts, err := v.ListParts(v.t.Context(), &s3.ListPartsInput{Bucket: &v.bucket, Key: &key, UploadId: u.UploadId})
		if err != nil {
			continue // ended meanwhile
		}
		sum := int64(0)
		next := int32(101) // below are marks
		for _, p := range parts.Parts {
			if aws.ToInt32(p.PartNumber) == next {
				sum += aws.ToInt64(p.Size)
				next++
			}
		}
		bytes = max(bytes, sum)
	}
	return bytes
}

// until waits for a condition, which has a minute.
func until(t testing.TB, what string, met func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(time.Minute)
	for !met() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// TestResume breaks uploads of real clients, and has them go on.
func TestResume(t *testing.T) {
	r := newResumeTest(t)
	other := r.bridge.again(t, real.FreeAddr(t))
	breaks := []struct {
		name  string
		bytes int64 // that arrive before the fault
		fault func(*line)
		on    func() *bridge // the one that the client comes back to
	}{
		{"reset", 21*mib + 12345, resetAll, func() *bridge { return r.bridge }},
		{"data reset", 9*mib + 1, resetData, func() *bridge { return r.bridge }},
		{"half open", 21*mib + 12345, loseClient, func() *bridge { return r.bridge }},
		{"half open, other bridge", 27 * mib, loseClient, func() *bridge { return other }},
		{"at the end", resumeSize, resetControl, func() *bridge { return r.bridge }},
		{"at the end, other bridge", resumeSize, resetControl, func() *bridge { return other }},
	}
	for _, c := range resumers {
		for _, b := range breaks {
			name := strings.NewReplacer(" ", "-", ",", "").Replace(c.name + " " + b.name)
			t.Run(name, func(t *testing.T) {
				real.Client(t, c.program)
				n := newNetwork(t, r.bridge.addr, b.bytes, b.fault)
				breakOff(t, n, c.args(t, n.addr, r.local, name)...)
				whole := min(b.bytes/(8*mib), 2) * 8 * mib // parts, which the client may be back before
				until(t, "parts in S3", func() bool { return r.bucket.parts(name) >= whole })
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
					if _, text, _ := zombie.conn.ReadResponse(0); !strings.Contains(text, "torage") {
						t.Errorf("the first session is told %q", text)
					}
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
	w.say(350, "REST %d", at)
	data := w.open("STOR %s", name)
	r.send(t, data, at, resumeSize)
	data.Close()
	w.expect(226)
	if got := r.bucket.sum(name); got != r.want {
		t.Errorf("S3 has %s, want %s", got, r.want)
	}
}

// resumeAt goes on from the size that the bridge tells, up to the middle of what is missing; the function that it returns
// sends the rest.
func (w *wire) resumeAt(t *testing.T, r *resumeTest, name string) func(*resumeTest) {
	t.Helper()
	var at int64
	fmt.Sscan(w.say(213, "SIZE %s", name), &at)
	w.say(350, "REST %d", at)
	data := w.open("STOR %s", name)
	middle := (at + resumeSize) / 2
	r.send(t, data, at, middle)
	return func(r *resumeTest) {
		t.Helper()
		r.send(t, data, middle, resumeSize)
		data.Close()
	}
}
