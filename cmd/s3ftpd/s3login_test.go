package main

import (
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"net/textproto"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// openData opens the data connection of the next transfer.
func openData(t *testing.T, c *textproto.Conn) net.Conn {
	t.Helper()
	_, port, _ := strings.Cut(expect(t, c, "EPSV", 229), "(|||")
	port, _, _ = strings.Cut(port, "|")
	data, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// exchange sends a command that opens a data connection, and returns what was received. It sends content unless that is empty.
func exchange(t *testing.T, c *textproto.Conn, command, content string) string {
	t.Helper()
	data := openData(t, c)
	defer data.Close()
	expect(t, c, command, 150)
	if content != "" {
		io.WriteString(data, content)
		data.Close()
		expect(t, c, "", 226)
		return ""
	}
	got, err := io.ReadAll(data)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, c, "", 226)
	return string(got)
}

// keyService is an S3 service with one access key.
type keyService struct{ endpoint, region, key, secret string }

// keyServices returns an embedded store with keys, and MinIO.
func keyServices(t *testing.T) map[string]keyService {
	t.Helper()
	minio := real.MinIO(t)
	real.AwaitKeys(t, minio)
	return map[string]keyService{
		"embedded store": embeddedKeys(t),
		"MinIO":          {minio.Endpoint, minio.Region, minio.AccessKey, minio.SecretKey},
	}
}

// embeddedKeys starts an embedded store with a key.
func embeddedKeys(t *testing.T) keyService {
	t.Helper()
	awsEnvironment(t)
	s := keyService{"", "us-east-1", "alice-key", "canary-secret-key"}
	server := httptest.NewServer(openStore(t, map[string]string{s.key: s.secret}).Handler())
	t.Cleanup(server.Close)
	s.endpoint = server.URL
	return s
}

// openStore opens an embedded store with access keys and their secret keys.
func openStore(t *testing.T, keys map[string]string) *s3demo.Store {
	t.Helper()
	store, err := s3demo.Open(t.TempDir(), s3demo.Options{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// startKeys starts a server for a service with --auth s3, and returns its address.
func startKeys(t *testing.T, s keyService, environ []string, args ...string) (*running, string) {
	t.Helper()
	r := start(t, environ, append([]string{"--auth", "s3", "--ftp", "127.0.0.1:0", "--endpoint", s.endpoint, "--region", s.region,
		"--log-level", "debug", "--max-sessions-per-user", "1"}, args...)...)
	return r, listening.FindStringSubmatch(r.stderr.await(t, `"msg":"listening"`))[1]
}

func keyLogin(t *testing.T, address, user, password string, code int) *textproto.Conn {
	t.Helper()
	c := dial(t, address)
	expect(t, c, "USER "+user, 331)
	expect(t, c, "PASS "+password, code)
	return c
}

// TestLoginWithS3Keys: without --bucket, a key's root directory is the list of its buckets, which MKD and RMD make and delete.
func TestLoginWithS3Keys(t *testing.T) {
	for name, s := range keyServices(t) {
		t.Run(name, func(t *testing.T) {
			r, address := startKeys(t, s, nil)
			r.stderr.await(t, `"msg":"clients can send their S3 secret keys or LDAP passwords without TLS"`)
			r.stderr.await(t, `"msg":"S3 answers, and verifies keys"`)
			keyLogin(t, address, s.key, s.secret+"x", 530)
			keyLogin(t, address, "unknown", s.secret, 530)
			c := keyLogin(t, address, s.key, s.secret, 230)
			if text := expect(t, keyLogin(t, address, s.key, s.secret, 530), "NOOP", 200); text == "" {
				t.Error("a second session of the key ended")
			}
			expect(t, c, "MKD /new-bucket", 257)
			expect(t, c, "MKD /new-bucket", 550)
			expect(t, c, "CWD /missing-bucket", 550)
			expect(t, c, "CWD /new-bucket", 250)
			exchange(t, c, "STOR f", "content")
			if got := exchange(t, c, "RETR /new-bucket/f", ""); got != "content" {
				t.Errorf("got %q", got)
			}
			if got := exchange(t, c, "LIST /", ""); !strings.HasPrefix(got, "d") || !strings.Contains(got, " new-bucket\r\n") {
				t.Errorf("the root lists %q", got)
			}
			expect(t, c, "MKD /other-bucket", 257)
			expect(t, c, "RNFR f", 350)
			expect(t, c, "RNTO /other-bucket/f", 553)
			expect(t, c, "EPSV", 229)
			expect(t, c, "STOR /f", 550)
			expect(t, c, "RMD /new-bucket", 550)
			expect(t, c, "DELE f", 250)
			expect(t, c, "RMD /new-bucket", 250)
			expect(t, c, "RMD /other-bucket", 250)
			expect(t, c, "QUIT", 221)
			r.end(t)
			if text := r.stderr.String(); strings.Contains(text, s.secret) || !strings.Contains(text, `"user":"`+s.key+`"`) {
				t.Errorf("the log has the secret key, or nothing of the login:\n%s", text)
			}
		})
	}
}

// TestS3KeysBesideUser: the name decides whether --user or S3 is asked. With --bucket, both see the same files.
func TestS3KeysBesideUser(t *testing.T) {
	for name, s := range keyServices(t) {
		t.Run(name, func(t *testing.T) {
			first, address := startKeys(t, s, nil)
			expect(t, keyLogin(t, address, s.key, s.secret, 230), "MKD /invoices", 257)
			first.end(t)
			t.Setenv("AWS_ACCESS_KEY_ID", s.key)
			t.Setenv("AWS_SECRET_ACCESS_KEY", s.secret)
			_, address = startKeys(t, s, []string{"S3FTPD_PASSWORD=wonderland"}, "--user", "bob", "--bucket", "invoices", "--prefix", "in")
			bob := keyLogin(t, address, "bob", "wonderland", 230)
			exchange(t, bob, "STOR f", "content")
			if got := exchange(t, keyLogin(t, address, s.key, s.secret, 230), "RETR f", ""); got != "content" {
				t.Errorf("got %q", got)
			}
			keyLogin(t, address, "bob", s.secret, 530)
		})
	}
}

// TestLoginWithS3KeysWhileS3IsDown: the client is told to try again, not that the password is wrong.
func TestLoginWithS3KeysWhileS3IsDown(t *testing.T) {
	awsEnvironment(t)
	r, address := startKeys(t, keyService{endpoint: "http://127.0.0.1:1", region: "us-east-1"}, nil)
	c := dial(t, address)
	expect(t, c, "USER alice", 331)
	if text := expect(t, c, "PASS canary-secret", 530); !strings.Contains(text, "try again later") {
		t.Errorf("got %q", text)
	}
	if text := r.stderr.await(t, `"event":"login.undecided"`); strings.Contains(text, "canary-secret") {
		t.Error("the log has the secret key")
	}
}

// TestCurlWithS3Keys: curl logs in with keys, makes a bucket and stores a file in it.
func TestCurlWithS3Keys(t *testing.T) {
	real.Client(t, "curl")
	for name, s := range keyServices(t) {
		t.Run(name, func(t *testing.T) {
			_, address := startKeys(t, s, nil)
			file := t.TempDir() + "/f"
			if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
				t.Fatal(err)
			}
			curl := func(args ...string) string {
				t.Helper()
				out, err := exec.CommandContext(t.Context(), "curl", append([]string{"-sS", "-u", s.key + ":" + s.secret}, args...)...).CombinedOutput()
				if err != nil {
					t.Fatalf("curl %q: %v, %s", args, err, out)
				}
				return string(out)
			}
			root := fmt.Sprintf("ftp://%s/", address)
			curl("-Q", "MKD invoices", root)
			curl("-T", file, root+"invoices/f")
			if got := curl(root + "invoices/f"); got != "content" {
				t.Errorf("got %q", got)
			}
			if got := curl("-l", root); got != "invoices\r\n" && got != "invoices\n" {
				t.Errorf("the root lists %q", got)
			}
		})
	}
}
