package real

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// SeaweedFSVersion is the module version of SeaweedFS for the tests. Its go.mod has a replace directive, which `go install`
// rejects, so test/all builds it from a module that requires it.
const SeaweedFSVersion = "v0.0.0-20261109003541-7506e5f91cd6"

// SeaweedFS starts a SeaweedFS master, volume server, filer and S3 gateway in one process, with an empty disk on free loopback
// ports, and stops it at the end of the test.
func SeaweedFS(t testing.TB) *S3 {
	t.Helper()
	program := cached(t, "weed", SeaweedFSVersion)
	addr := FreeAddr(t)
	s := &S3{Endpoint: "http://" + addr, AccessKey: "tester", SecretKey: "tester-secret", Region: "us-east-1"}
	dir := t.TempDir()
	config := filepath.Join(dir, "s3.json")
	identity := `{"identities": [{"name": "tester", "credentials": [{"accessKey": "` + s.AccessKey + `", "secretKey": "` + s.SecretKey + `"}], "actions": ["Admin"]}]}`
	if err := os.WriteFile(config, []byte(identity), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"server", "-dir", dir, "-ip", "127.0.0.1", "-ip.bind", "127.0.0.1", "-master.telemetry=false", "-master.volumeSizeLimitMB", "128",
		"-volume.max", "100", "-s3", "-s3.allowBackslashInKey", "-s3.config", config, "-s3.port.iceberg", "0", "-s3.port.lance", "0",
		"-filer.localSocket", filepath.Join(dir, "filer.sock"), "-s3.localSocket", filepath.Join(dir, "s3.sock"), "-s3.port", port(t, addr)}
	for _, option := range []string{"master.port", "volume.port", "filer.port", "master.port.grpc", "volume.port.grpc", "filer.port.grpc", "s3.port.grpc"} {
		args = append(args, "-"+option, port(t, FreeAddr(t)))
	}
	cmd := exec.Command(program, args...)
	Start(t, cmd)
	s.Process = cmd.Process
	Await(t, s.Endpoint+"/healthz")
	return s
}

func port(t testing.TB, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}
