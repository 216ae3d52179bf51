package faults

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/faults"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// A stoppage is an S3 server that is stopped while several clients work. They run concurrently, since their replies take long: each
// gets ready, continues when S3 has stopped, and checks the results when S3 runs again.
type stoppage struct {
	faulty
	resumeOff *harness.Server
	ready     sync.WaitGroup
	replied   sync.WaitGroup
	stopped   chan struct{}
	running   chan struct{}
}

// A stopClient is one of the clients. It calls ready, waits for stopped, gets its reply, calls replied, and waits for running.
type stopClient func(t *testing.T, s *stoppage, place string, ready, replied func())

// TestS3Stopped: each client gets a reply while S3 is stopped, and no file is a mixture. When S3 runs again, broken uploads can be
// resumed, or are gone.
func TestS3Stopped(t *testing.T) {
	t.Parallel() // it mostly waits
	if testing.Short() {
		t.Skip("it takes a minute until all repetitions have failed")
	}
	server := real.MinIO(t)
	s := &stoppage{stopped: make(chan struct{}), running: make(chan struct{})}
	s.faulty = faulty{bucket: harness.NewBucket(t, server), proxy: harness.NewFaultProxy(t, server)}
	args := []string{"--s3-timeout", "1s", "--part-size", "5MiB", "--log-level", "debug"}
	s.bridge = harness.StartServer(t, &s.proxy.S3, args...)
	s.resumeOff = harness.StartServer(t, &s.proxy.S3, append(args, "--resume", "0")...)
	t.Cleanup(func() { server.Process.Signal(syscall.SIGCONT) })
	clients := map[string]stopClient{
		"in Complete": func(t *testing.T, s *stoppage, place string, ready, replied func()) {
			s.proxy.Script(place, when("CompleteMultipartUpload", 1, func(p *faults.Proxy, w http.ResponseWriter, r *http.Request) {
				stopProcess(server.Process)
				close(s.stopped)
				p.Forward.ServeHTTP(w, r)
			}))
			s.inComplete(t, place, ready, replied)
		},
		"in Complete, all there": stoppedAllThere,
		"in a part":              stoppedInPart, "in a part, resume off": stoppedWithoutResume, "in the first part": stoppedInFirstPart,
		"aborted": stoppedAborted, "in a small file": stoppedInSmall, "in a download": stoppedInDownload, "in a listing": stoppedInListing,
	}
	s.ready.Add(len(clients))
	s.replied.Add(len(clients))
	go func() {
		s.replied.Wait()
		server.Process.Signal(syscall.SIGCONT)
		close(s.running)
	}()
	harness.AtOnce(t, clients, func(t *testing.T, place string, c stopClient) {
		ready, replied := sync.OnceFunc(s.ready.Done), sync.OnceFunc(s.replied.Done)
		defer replied()
		defer ready()
		c(t, s, place, ready, replied)
	})
	if got := s.bucket.Sum("in-a-small-file/file"); got != "absent" { // by now S3 has obeyed all that it had received
		t.Errorf("in a small file: S3 has %s", got)
	}
}

// stopProcess stops a process, and waits until all its threads are stopped.
func stopProcess(p *os.Process) {
	p.Signal(syscall.SIGSTOP)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 5000 {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.Pid))
		if !slices.ContainsFunc(threads, func(name string) bool {
			text, err := os.ReadFile(name)
			_, state, _ := strings.Cut(string(text), ") ")
			return err == nil && !strings.HasPrefix(state, "T")
		}) {
			return
		}
		<-tick.C
	}
}

// await waits for a signal from the others.
func await(t *testing.T, signal <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	select {
	case <-signal:
	case <-ctx.Done():
		t.Fatal("the others do not come that far")
	}
}
