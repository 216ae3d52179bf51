package real

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// MinIOVersion is the version of MinIO for the tests, in the form of `go install`.
const MinIOVersion = "v0.0.0-20260212201848-7aac2a2c5b7c"

// S3 is a running S3 server.
type S3 struct {
	Endpoint  string // http://127.0.0.1:port
	AccessKey string
	SecretKey string
	Region    string
	Process   *os.Process
	Disk      string // the directory of a MinIO

	start func()
}

// Restart restarts a killed server at the same address with the same disk, and waits until it answers.
func (s *S3) Restart() { s.start() }

// Env returns environment variables with the server's keys, for the AWS SDK and the AWS command line.
func (s *S3) Env() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + s.AccessKey,
		"AWS_SECRET_ACCESS_KEY=" + s.SecretKey,
		"AWS_REGION=" + s.Region,
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=" + os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
	}
}

// Client returns an S3 client of the server that shares no code with s3fs.
func (s *S3) Client() *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: &s.Endpoint, Region: s.Region, UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: s.AccessKey, SecretAccessKey: s.SecretKey}, nil
		}),
	})
}

// MinIO starts a MinIO server with an empty disk on a free loopback port and stops it at the end of the test.
func MinIO(t testing.TB) *S3 {
	t.Helper()
	return MinIOWith(t)
}

// MinIOWith is MinIO with options on the command line.
func MinIOWith(t testing.TB, options ...string) *S3 {
	t.Helper()
	return startMinIO(t, nil, options)
}

// startMinIO is MinIO with additional environment variables, and options on the command line.
func startMinIO(t testing.TB, env, options []string) *S3 {
	t.Helper()
	program := minioProgram(t)
	addr := FreeAddr(t)
	s := &S3{Endpoint: "http://" + addr, AccessKey: "tester", SecretKey: "tester-secret", Region: "us-east-1"}
	s.Disk = t.TempDir()
	s.start = func() {
		cmd := exec.Command(program, "server", "--quiet", "--address", addr, "--console-address", FreeAddr(t))
		cmd.Args = append(append(cmd.Args, options...), s.Disk)
		cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+s.AccessKey, "MINIO_ROOT_PASSWORD="+s.SecretKey,
			"MINIO_UPDATE=off", "MINIO_BROWSER=off")
		cmd.Env = append(cmd.Env, env...)
		Start(t, cmd)
		s.Process = cmd.Process
		Await(t, s.Endpoint+"/minio/health/ready")
	}
	s.start()
	return s
}

// AwaitKeys waits until a server refuses an unknown access key. Just after its start, MinIO verifies only its own key.
func AwaitKeys(t testing.TB, server *S3) {
	t.Helper()
	unknown := *server
	unknown.AccessKey = "unknown-key"
	for range 1000 {
		_, err := unknown.Client().ListBuckets(t.Context(), &s3.ListBucketsInput{})
		if err == nil || strings.Contains(err.Error(), "InvalidAccessKeyId") {
			return
		}
	}
	t.Fatal("the server does not verify keys")
}

// MinIODir is the directory of the MinIO program that test/all builds. It is outside the tree and kept between runs.
func MinIODir() (string, error) {
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "s3ftpd", "minio-"+MinIOVersion), err
}

func minioProgram(t testing.TB) string {
	t.Helper()
	if dir, err := MinIODir(); err == nil {
		if program := filepath.Join(dir, "minio"); exec.Command(program, "--version").Run() == nil {
			return program
		}
	}
	return Client(t, "minio")
}

// Start runs a program until the end of the test, and logs its output if the test failed.
func Start(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	log := filepath.Join(t.TempDir(), filepath.Base(cmd.Path)+".log")
	out, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		out.Close()
		if text, err := os.ReadFile(log); err == nil && t.Failed() {
			t.Logf("output of %s:\n%s", cmd, tail(text, 8000))
		}
	})
}

func tail(text []byte, n int) []byte { return text[max(0, len(text)-n):] }

// lastPort is the port, above 10000, that FreeAddr has looked at last. Tests of other packages run at the same time, and look elsewhere.
var lastPort atomic.Uint32

func init() { lastPort.Store(rand.Uint32N(10000)) }

// FreeAddr returns an unused loopback address with a port below the ephemeral ones, so that a restarted server can bind it
// again. It never returns the same twice, for the first may not be bound yet.
func FreeAddr(t testing.TB) string {
	t.Helper()
	for range 10000 {
		addr := fmt.Sprintf("127.0.0.1:%d", 10000+lastPort.Add(1)%10000)
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal("no port is free")
	return ""
}

// Await polls url until it answers 200, for at most 30 s.
func Await(t testing.TB, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	last := fmt.Errorf("not asked yet")
	for {
		select {
		case <-ctx.Done():
			t.Fatalf("%s does not answer: %v", url, last)
		case <-tick.C:
		}
		req, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			last = err
			continue
		}
		resp.Body.Close()
		if last = fmt.Errorf("status %s", resp.Status); resp.StatusCode == http.StatusOK {
			return
		}
	}
}
