package faults

import (
	"strings"
	"syscall"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestSilentFromTheStart: an S3 that is silent from the start is logged after the first time-out, and a client gets 451 after one
// retry. Two servers have time-outs that differ by the factor 5: the first must be done before the second gives up any request.
func TestSilentFromTheStart(t *testing.T) {
	t.Parallel() // it mostly waits
	server := real.MinIO(t)
	harness.NewBucket(t, server)
	stopProcess(server.Process)
	t.Cleanup(func() { server.Process.Signal(syscall.SIGCONT) })
	slow := harness.StartServer(t, server, "--s3-timeout", "10s")
	quick := harness.StartServer(t, server, "--s3-timeout", "2s")
	w := quick.Connect(t)
	for _, command := range []string{"SIZE file", "CWD dir"} {
		if code, text := w.Do("%s", command); code != 451 {
			t.Errorf("%s: %d %s", command, code, text)
		}
		if strings.Contains(slow.Log.Tail(1000), "S3 is silent") {
			t.Errorf("the reply to %s took more than 5 time-outs", command)
			break
		}
	}
	quick.Log.Await(t, "the bucket does not answer; transfers fail until it does")
	text := quick.Log.Tail(1000)
	if strings.Count(text, "S3 is silent") != 1 || strings.Index(text, "S3 is silent") > strings.Index(text, "the bucket does not answer") {
		t.Error(text)
	}
	server.Process.Signal(syscall.SIGCONT)
	if code, text := w.Do("SIZE file"); code != 550 {
		t.Errorf("afterwards: %d %s", code, text)
	}
	quick.Log.Await(t, "S3 answers again")
	data := w.Open("STOR file")
	data.Close()
	w.Expect(226)
	if text := quick.Log.Tail(1000); strings.Contains(text, "S3 feature refused") {
		t.Error(text)
	}
}
