package load

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
	"github.com/s3ftpd/s3ftpd/test/faults"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// sftpMemory are the options of a server with little memory and many sessions.
var sftpMemory = []string{"--memory", "64MiB", "--max-sessions-per-ip", "1000", "--max-sessions-per-user", "1000"}

// sftpLimit is the most memory in KiB with that many connections: the budget, 32 MiB, and 128 KiB for each connection.
func sftpLimit(connections int) int { return (64+32)<<10 + 128*connections }

// startSFTP starts a server with SFTP, and returns its address.
func startSFTP(t *testing.T, s3 *real.S3, args ...string) (b server, addr string) {
	t.Helper()
	addr = real.FreeAddr(t)
	return startServer(t, s3, append([]string{"--sftp", addr, "--sftp-host-key", "generate"}, args...)...), addr
}

// dialSFTP logs in. The connection ends with the test.
func dialSFTP(t *testing.T, addr string) *harness.SFTP {
	t.Helper()
	c, err := harness.DialSFTP(addr, harness.User, ssh.Password(harness.Password))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// checkServed checks that the server serves another client.
func checkServed(t *testing.T, addr string) {
	t.Helper()
	c := dialSFTP(t, addr)
	defer c.Close()
	content := []byte("another client's file")
	if err := c.Put("other", bytes.NewReader(content), int64(len(content)), 1); err != nil {
		t.Errorf("another client cannot store a file: %v", err)
	}
	var got bytes.Buffer
	if err := c.Get("other", &got, int64(len(content)), 1); err != nil || !bytes.Equal(got.Bytes(), content) {
		t.Errorf("another client reads %q, %v", got.Bytes(), err)
	}
}

func (b server) checkPeak(t *testing.T, connections int) {
	t.Helper()
	if got, want := b.stat(t, "VmHWM"), sftpLimit(connections); got > want {
		t.Errorf("the server took %d KiB at its peak, want at most %d", got, want)
	}
}

// A client that sends 100,000 READs and takes no answers costs bounded memory, and holds up no other client.
func TestSFTPUnreadAnswers(t *testing.T) {
	s3 := real.MinIO(t)
	harness.NewBucket(t, s3).Put("file", string(make([]byte, harness.MiB)))
	b, addr := startSFTP(t, s3, sftpMemory...)
	c := dialSFTP(t, addr)
	handle, err := c.Handle(harness.SFTPOpen, "file", harness.SFTPForRead, 0)
	if err != nil {
		t.Fatal(err)
	}
	var sent atomic.Int64
	go func() {
		for i := range int64(100_000) {
			if _, err := c.Send(harness.SFTPRead, handle, i%4*harness.SFTPMaxData, harness.SFTPMaxData); err != nil {
				return // the server has ended the session
			}
			sent.Add(1)
		}
	}()
	awaitStandstill(&sent)
	checkServed(t, addr)
	b.checkPeak(t, 2)
}

// A channel has 128 handles; further OPENs are refused.
func TestSFTPHandles(t *testing.T) {
	s3 := real.MinIO(t)
	harness.NewBucket(t, s3)
	b, addr := startSFTP(t, s3, sftpMemory...)
	c := dialSFTP(t, addr)
	go func() {
		for i := range 10_000 {
			if _, err := c.Send(harness.SFTPOpen, fmt.Sprint("file-", i), harness.SFTPForWrite|harness.SFTPCreate|harness.SFTPTruncate, 0); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	opened := 0
	for range 10_000 {
		r, err := c.Reply()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Discard(r); err != nil {
			t.Fatal(err)
		}
		if r.Kind == harness.SFTPHandle {
			opened++
		}
	}
	if opened != 128 {
		t.Errorf("%d handles were opened, want 128", opened)
	}
	b.checkPeak(t, 1)
}

// stoppedS3 returns an S3 service that takes no uploads until it is released.
func stoppedS3(t *testing.T, behind *real.S3) (s3 *real.S3, release func()) {
	gate := make(chan struct{})
	proxy := faults.New(t, faults.To(t, behind.Endpoint), func(r *http.Request) faults.Fault {
		if r.Method == http.MethodPut {
			<-gate
		}
		return nil
	})
	stopped := *behind
	stopped.Endpoint = proxy.URL
	return &stopped, sync.OnceFunc(func() { close(gate) })
}

// While S3 takes nothing, 200 uploads cost bounded memory, and other clients can list. Later all uploads end, stored or refused.
func TestSFTPStoppedS3(t *testing.T) {
	behind := real.MinIO(t)
	view := harness.NewBucket(t, behind)
	s3, release := stoppedS3(t, behind)
	defer release()
	b, addr := startSFTP(t, s3, append(sftpMemory, "--s3-timeout", "5m", "--stall-timeout", "5m")...)
	const uploads, size = 200, 9 * harness.MiB
	var sent, stored atomic.Int64
	var all sync.WaitGroup
	for i := range uploads {
		c := dialSFTP(t, addr)
		all.Go(func() {
			content := io.TeeReader(io.LimitReader(harness.Noise("stopped"), size), counter{&sent})
			if c.Put(fmt.Sprint("file-", i), content, size, 16) == nil {
				stored.Add(1)
			}
		})
	}
	awaitStandstill(&sent)
	c := dialSFTP(t, addr)
	if handle, err := c.Handle(harness.SFTPOpenDir, "/"); err != nil || c.Do(harness.SFTPClose, handle) != nil {
		t.Errorf("another client cannot list: %v", err)
	}
	b.checkPeak(t, uploads+1)
	release()
	all.Wait()
	checkServed(t, addr)
	want := harness.SumOf(t, io.LimitReader(harness.Noise("stopped"), size))
	keys := view.Keys("file-")
	for _, key := range keys {
		if got := view.Sum(key); got != want {
			t.Errorf("%s: SHA-256 %s, want %s", key, got, want)
		}
	}
	if int64(len(keys)) != stored.Load() || stored.Load() == 0 {
		t.Errorf("%d files are stored, %d of %d uploads were confirmed", len(keys), stored.Load(), uploads)
	}
}

// A session without a request costs little memory.
func TestSFTPIdleSessions(t *testing.T) {
	s3 := real.MinIO(t)
	harness.NewBucket(t, s3)
	b, addr := startSFTP(t, s3, sftpMemory...)
	checkServed(t, addr)
	const sessions, limit = 500, 96 // KiB each
	before := b.stat(t, "RssAnon")  // its own memory, as in TestIdleSessions
	for range sessions {
		dialSFTP(t, addr)
	}
	if each := (b.stat(t, "RssAnon") - before) / sessions; each > limit {
		t.Errorf("an idle session takes %d KiB, want at most %d", each, limit)
	}
}
