package real

import (
	"os/exec"
	"testing"
)

// GoFakeS3Version is the version of gofakes3 for the tests, in the form of `go install`.
const GoFakeS3Version = "v1.2.0"

// GoFakeS3 starts a gofakes3 server, which keeps objects in memory, on a free loopback port, and stops it at the end of the
// test. It does not check signatures.
func GoFakeS3(t testing.TB) *S3 {
	t.Helper()
	program := cached(t, "gofakes3", GoFakeS3Version)
	addr := FreeAddr(t)
	s := &S3{Endpoint: "http://" + addr, AccessKey: "tester", SecretKey: "tester-secret", Region: "us-east-1"}
	cmd := exec.Command(program, "-quiet", "-backend", "memory", "-host", addr)
	Start(t, cmd)
	s.Process = cmd.Process
	Await(t, s.Endpoint+"/")
	return s
}
