package sftp

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// kills returns how many clients a test kills: 200 with S3FTPD_TEST_KILLS=full.
func kills() int {
	if os.Getenv("S3FTPD_TEST_KILLS") == "full" {
		return 200
	}
	return 32
}

// putPython uploads by paramiko with one of its two ways: put, or a file object in a with block.
const putPython = `import os, sys, paramiko
host, port, user, password, local, remote = sys.argv[1:]
t = paramiko.Transport((host, int(port)))
t.connect(username=user, password=password)
s = paramiko.SFTPClient.from_transport(t)
if remote.endswith("0"):
    s.put(local, remote)
else:
    with open(local, "rb") as f, s.open(remote, "wb") as to:
        to.set_pipelined(True)
        while block := f.read(1 << 20):
            to.write(block)
t.close()
`

// uploaders return the command line of a client that uploads a file to a server that any host key identifies.
var uploaders = []struct {
	name string
	args func(u upload) []string
}{
	{"sftp", func(u upload) []string {
		return append([]string{"sftp", "-q", "-b", u.script("put %s %s"), "-P", u.port}, append(u.sshOptions(), u.target(""))...)
	}},
	{"scp", func(u upload) []string {
		return append([]string{"scp", "-q", "-P", u.port}, append(u.sshOptions(), u.local, u.target(u.remote))...)
	}},
	{"lftp", func(u upload) []string {
		return []string{"lftp", "--norc", "-c", fmt.Sprintf("set net:max-retries 1; set sftp:connect-program \"ssh -a -x %s\"; open -u %s, sftp://%s:%s; put %s -o %s",
			strings.Join(u.sshOptions(), " "), harness.User, u.host, u.port, u.local, u.remote)}
	}},
	{"paramiko", func(u upload) []string {
		return []string{"/usr/bin/python3", "-c", putPython, u.host, u.port, harness.User, harness.Password, u.local, u.remote}
	}},
	{"scp-O", func(u upload) []string {
		return append([]string{"scp", "-O", "-q", "-P", u.port}, append(u.sshOptions(), u.local, u.target(u.remote))...)
	}},
}

// An upload is a file, its name on the server, and what a client needs to log in.
type upload struct {
	t             *testing.T
	host, port    string
	key           string
	local, remote string
}

func (s *server) upload(t *testing.T, addr, local, remote string) upload {
	host, port, _ := strings.Cut(addr, ":")
	return upload{t, host, port, s.user, local, remote}
}

func (u upload) sshOptions() []string {
	return []string{"-F", "none", "-o", "UserKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR",
		"-o", "IdentitiesOnly=yes", "-i", u.key}
}

func (u upload) target(path string) string {
	if path != "" {
		path = ":" + path
	}
	return harness.User + "@" + u.host + path
}

// script writes a batch file for sftp.
func (u upload) script(format string) string {
	file := filepath.Join(u.t.TempDir(), "batch")
	if err := os.WriteFile(file, []byte(fmt.Sprintf(format, u.local, u.remote)+"\n"), 0o666); err != nil {
		u.t.Fatal(err)
	}
	return file
}

// A kill is a client that is killed after some bytes of its connection.
type kill struct {
	uploader int
	size     int64 // of the file
	amount   int64 // bytes that the client's connection has sent
	alone    bool  // only the client is killed, and not ssh, which then ends the channel in order
	old      bool  // the name has an object
}

// TestClientKills kills clients at random moments of an upload: nothing is published, the old object stays, and the upload goes on where
// STAT says.
func TestClientKills(t *testing.T) {
	for _, u := range uploaders[:3] {
		real.Client(t, u.name)
	}
	s3 := real.MinIO(t)
	bucket := harness.NewBucket(t, s3)
	b := start(t, s3)
	watch, end := bucket.Watch()
	random := rand.New(rand.NewPCG(18, 0))
	cases := make(map[string]kill)
	for i := range kills() {
		k := kill{uploader: i % len(uploaders), size: random.Int64N(24*harness.MiB) + 1, alone: random.IntN(2) == 0, old: random.IntN(3) == 0}
		if i%5 == 0 {
			k.size = random.Int64N(100*harness.KiB) + 1
		}
		k.amount = random.Int64N(k.size + 8*harness.KiB)
		cases[fmt.Sprintf("%s-%d", uploaders[k.uploader].name, i)] = k
	}
	resumed := make(chan string, len(cases))
	harness.SomeAtOnce(t, 4, cases, func(t *testing.T, name string, k kill) {
		local := filepath.Join(t.TempDir(), "file")
		sum, old := harness.MakeFile(t, local, k.size), "absent"
		if k.old {
			old = harness.SumOf(t, strings.NewReader(harness.OldContent))
		}
		watch.Allow(name, old, sum)
		if k.old {
			bucket.Put(name, harness.OldContent)
		}
		sent := k.run(t, b, local, "/"+name)
		got := bucket.Sum(name)
		if got == sum && sent > k.size {
			return // the client had sent CLOSE
		}
		if got != old {
			t.Errorf("killed after %d bytes of a file of %d bytes: S3 has %s, want %s", sent, k.size, got, old)
		}
		if !k.old && b.resume(t, local, "/"+name) {
			resumed <- name
		}
		if got := bucket.Sum(name); !k.old && got != sum {
			t.Errorf("resumed after %d bytes of a file of %d bytes: S3 has %s, want %s", sent, k.size, got, sum)
		}
	})
	end()
	if t.Logf("%d of %d were resumed", len(resumed), len(cases)); len(resumed) < len(cases)/8 {
		t.Errorf("%d of %d killed uploads were resumed", len(resumed), len(cases))
	}
}

// run runs the client and kills it. It returns how many bytes the client has sent.
func (k kill) run(t *testing.T, b *server, local, remote string) (sent int64) {
	g := newGate(t, b.addr, k.amount)
	args := uploaders[k.uploader].args(b.upload(t, g.addr, local, remote))
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out := new(strings.Builder)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		g.open()
	case <-g.held:
		if k.alone {
			cmd.Process.Kill()
		} else {
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
		g.open()
		<-ended
	}
	g.wait(t, b.Log)
	return g.sent
}

// resume uploads a file by sftp's reput, if something of it is there, or else by put. It reports whether it was resumed.
func (s *server) resume(t *testing.T, local, remote string) bool {
	t.Helper()
	size, err := s.size(t, remote)
	command := "put %s %s"
	if err == nil {
		command = "reput %s %s"
	}
	u, from := s.upload(t, s.addr, local, remote), s.Log.Mark()
	args := append([]string{"sftp", "-q", "-b", u.script(command), "-P", u.port}, append(u.sshOptions(), u.target(""))...)
	harness.Run(t, t.TempDir(), "", args...)
	info, statErr := os.Stat(local)
	if statErr != nil {
		t.Fatal(statErr)
	}
	if sent := s.Log.AwaitFrom(t, from, "transfer", "name="+remote)["bytes"]; sent != float64(info.Size()-size) {
		t.Errorf("%v bytes were sent, want %d: STAT said %d", sent, info.Size()-size, size)
	}
	return err == nil
}

// size returns the size that STAT says, and an error if there is no file.
func (s *server) size(t *testing.T, name string) (size int64, err error) {
	t.Helper()
	c := s.dial(t)
	defer c.Close()
	return stat(c, name)
}
