package real

import (
	"os/exec"
	"testing"
)

// GoFakeS3Version is the version of gofakes3 that the tests are written against, as `go install` takes it.
const GoFakeS3Version = "v1.2.0"

// GoFakeS3 starts a gofakes3 server, which keeps objects in memory, on a free loopback port, and stops it when the test is
// over. It looks at no signature.
func GoFakeS3(t testing.TB) *S3 {
	t.Helper()
	program := cached(t, "gofakes3", GoFakeS3Version)
	addr := FreeAddr(t)
	s := &S3{Endpoint: "http://" + addr, AccessKey: "tester", SecretKey: "tester-secret", Region: "us-east-1"}
	cmd := exec.Command(program, "-quiet", "-backend", "memory", "-host", addr)
	Start(t, cmd)
	s.Process = cmd.Process
	await(t, s.Endpoint+"/")
	return s
}
