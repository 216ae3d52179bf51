package harness

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// The user and the bucket of StartServer.
const (
	User       = "tester"
	Password   = "s3cret"
	BucketName = "files"
)

// A Server is a running s3ftpd. Its log is in JSON.
type Server struct {
	t    testing.TB
	Addr string
	Cmd  *exec.Cmd
	Log  *Log
}

// StartServer runs s3ftpd in front of an S3 server until the test ends. An option in args replaces the one given here.
func StartServer(t testing.TB, s3 *real.S3, args ...string) *Server {
	t.Helper()
	addr := real.FreeAddr(t)
	args = append([]string{"serve", "--ftp", addr, "--endpoint", s3.Endpoint, "--bucket", BucketName, "--user", User,
		"--log-format", "json"}, args...)
	return Start(t, addr, append(s3.Env(), "S3FTPD_PASSWORD="+Password), args...)
}

// Start runs s3ftpd with these arguments, which make it listen on addr.
func Start(t testing.TB, addr string, env []string, args ...string) *Server {
	t.Helper()
	return StartCommand(t, addr, env, exec.Command(Program(), args...))
}

// StartCommand is Start for a command that runs s3ftpd by way of another program, such as ip netns exec.
func StartCommand(t testing.TB, addr string, env []string, cmd *exec.Cmd) *Server {
	t.Helper()
	b := &Server{t: t, Addr: addr, Cmd: cmd, Log: NewLog()}
	b.Cmd.Args = real.Arguments(b.Cmd.Args...)
	b.Cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	b.Cmd.Stderr = b.Log
	if err := b.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.Cmd.Process.Kill()
		b.Cmd.Wait()
		if t.Failed() {
			t.Logf("the log of s3ftpd:\n%s", b.Log.Tail(60))
		}
	})
	b.Log.Await(t, "listening")
	return b
}

// Stop ends s3ftpd by SIGTERM, and returns the result of Wait.
func (s *Server) Stop() error {
	s.Cmd.Process.Signal(syscall.SIGTERM)
	return s.Cmd.Wait()
}

// Port returns the port of Addr.
func (s *Server) Port() string { return s.Addr[strings.LastIndexByte(s.Addr, ':')+1:] }

// Again starts another s3ftpd with the same command line, listening on addr.
func (s *Server) Again(t testing.TB, addr string) *Server {
	t.Helper()
	args := append([]string(nil), s.Cmd.Args[1:]...)
	for i := range args {
		if args[i] == s.Addr {
			args[i] = addr
		}
	}
	return Start(t, addr, s.Cmd.Env[2:], args...)
}

// Kill ends s3ftpd by SIGKILL.
func (s *Server) Kill() {
	s.Cmd.Process.Kill()
	s.Cmd.Wait()
}

// Process returns the process, to measure it.
func (s *Server) Process() Process { return Process(s.Cmd.Process.Pid) }

// CPU returns the CPU time so far, in seconds.
func (s *Server) CPU(t testing.TB) float64 {
	t.Helper()
	return s.Process().CPU(t)
}

// Peak returns the largest resident size so far, in MiB.
func (s *Server) Peak(t testing.TB) float64 {
	t.Helper()
	return s.Process().Peak(t)
}
