package main

import (
	"context"
	"io/fs"
	"iter"
	"net"
	"net/http"
	"net/netip"
	"net/textproto"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/auth"
	"github.com/s3ftpd/s3ftpd/proxy/ftp"
	"github.com/s3ftpd/s3ftpd/s3fs"
	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
)

// awsEnvironment sets dummy S3 keys, and keeps the AWS SDK from other sources of keys.
func awsEnvironment(t *testing.T) {
	t.Helper()
	for _, kv := range []string{"AWS_ACCESS_KEY_ID=canary-key", "AWS_SECRET_ACCESS_KEY=canary-aws-secret", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull} {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
}

// embedded returns an embedded store with an empty bucket. It also calls awsEnvironment: the store accepts any keys.
func embedded(t *testing.T, bucket string) http.Handler {
	t.Helper()
	awsEnvironment(t)
	store, err := s3demo.Open(t.TempDir(), s3demo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if err := store.CreateBucket(bucket); err != nil {
		t.Fatal(err)
	}
	return store.Handler()
}

// dial opens a control connection.
func dial(t *testing.T, address string) *textproto.Conn {
	t.Helper()
	c, err := textproto.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	expect(t, c, "", 220)
	return c
}

// expect sends a command, unless it is empty, checks the code of the reply, and returns the reply.
func expect(t *testing.T, c *textproto.Conn, command string, code int) string {
	t.Helper()
	if command != "" {
		if err := c.PrintfLine("%s", command); err != nil {
			t.Fatal(err)
		}
	}
	_, text, err := c.ReadResponse(code)
	if err != nil {
		t.Fatalf("%s: got %v, want %d", command, err, code)
	}
	return text
}

var listening = regexp.MustCompile(`"msg":"listening","address":"([^"]+)"`)

// No secret appears in the log or in messages, also if the arguments are invalid.
func TestSecretsAreNotPrinted(t *testing.T) {
	awsEnvironment(t)
	r := start(t, []string{"S3FTPD_PASSWORD=canary-password"}, "--user", "alice", "--bucket", "invoices", "--ftp", "127.0.0.1:0",
		"--endpoint", "http://127.0.0.1:1", "--log-level", "debug")
	address := listening.FindStringSubmatch(r.stderr.await(t, `"msg":"listening"`))[1]
	c := dial(t, address)
	expect(t, c, "USER alice", 331)
	expect(t, c, "PASS canary-wrong", 530)
	expect(t, c, "USER alice", 331)
	expect(t, c, "PASS canary-password", 230)
	expect(t, c, "QUIT", 221)
	r.end(t)
	if text := r.stderr.String() + r.stdout.String(); strings.Contains(text, "canary") || !strings.Contains(text, `"user":"alice"`) {
		t.Errorf("the log has a canary, or nothing of the login:\n%s", text)
	}
	code, out, err := output(t, "", []string{"S3FTPD_PASSWORD=canary\x01", "S3FTPD_PASWORD=canary"},
		"--pasword", "canary", "--password=canary", "-p", "canary", "--endpoint=http://x:canary@y", "--user=alice")
	if code != exitUsage || strings.Contains(out+err, "canary") || !strings.Contains(err, "must not be on the command line") {
		t.Errorf("%d, %s%s", code, out, err)
	}
}

func TestPasswordThatLetsNobodyIn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("$1$salt$canary\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ environ, args []string }{
		{[]string{"S3FTPD_PASSWORD=$1$salt$canary"}, nil}, {nil, []string{"--password-file", file}},
	} {
		code, _, err := output(t, "", c.environ, append(c.args, "--user=alice", "--bucket=invoices")...)
		if code != exitUsage || !strings.Contains(err, "must be argon2id, bcrypt, or $5$ or $6$ of crypt") || strings.Contains(err, "canary") {
			t.Errorf("%v: %d, %s", c, code, err)
		}
	}
}

func TestListenFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	code, _, text := output(t, "", []string{"S3FTPD_PASSWORD=x"}, "--user=alice", "--bucket=invoices", "--ftp="+l.Addr().String())
	if code != exitFailure || !strings.Contains(text, "--ftp") || !strings.Contains(text, "in use") {
		t.Errorf("%d, %s", code, text)
	}
}

// The password comes from the environment, or from the current content of the file.
func TestSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	for _, want := range []string{"one", "two"} {
		if err := os.WriteFile(file, []byte(want+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, c := range []*config.Config{{Password: config.Secret(want)}, {PasswordFile: file}} {
			if got, err := secret(c, nil)(); err != nil || got != want {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		}
	}
}

// A bucket is a store whose first listings fail.
type bucket struct {
	err   error
	fails int
	asked int
}

func (b *bucket) List(context.Context, string, string) iter.Seq2[proxy.Entry, error] {
	return func(yield func(proxy.Entry, error) bool) {
		b.asked++
		if b.asked <= b.fails {
			yield(proxy.Entry{}, b.err)
			return
		}
		for range 2 {
			if !yield(proxy.Entry{}, nil) {
				return
			}
		}
	}
}

// probeBucket logs the first failure and the first success of a listing, one line each.
func TestAsk(t *testing.T) {
	for _, c := range []struct {
		err   error
		fails int
		says  []string
	}{
		{nil, 0, []string{`"INFO","msg":"the bucket answers"`}},
		{fs.ErrPermission, 1, []string{`"WARN","msg":"the bucket answers, but cannot be listed"`, `"INFO","msg":"the bucket answers"`}},
		{s3fs.ErrNoBucket, 2, []string{`"ERROR","msg":"the bucket does not answer; transfers fail until it does"`, `"INFO","msg":"the bucket answers"`}},
	} {
		synctest.Test(t, func(t *testing.T) {
			log, b, began := newConsole(), &bucket{err: c.err, fails: c.fails}, time.Now()
			probeBucket(t.Context(), b, &config.Config{Bucket: "invoices"}, newLog(&config.Config{LogFormat: "json"}, log))
			lines := slices.Collect(strings.Lines(log.String()))
			for i, says := range c.says {
				if len(lines) != len(c.says) || !strings.Contains(lines[i], says) || !strings.Contains(lines[i], "invoices") {
					t.Errorf("%v: %s", c.err, log)
				}
			}
			if waited := time.Since(began); b.asked != c.fails+1 || waited != time.Duration(c.fails)*probeInterval {
				t.Errorf("%v: asked %d times in %v", c.err, b.asked, waited)
			}
		})
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	log := newConsole()
	probeBucket(ended, &bucket{err: context.Canceled, fails: 1}, &config.Config{}, newLog(&config.Config{LogFormat: "json"}, log))
	if log.String() != "" {
		t.Errorf("a start that was broken off is no fault of the bucket: %s", log)
	}
}

// server passes the configuration on to ftp.Server.
func TestServer(t *testing.T) {
	c, err := config.Load(config.Serve, strings.Fields("--bucket=invoices --user=alice --passive-ports=2000-2001 --active-port=7 --idle-timeout=1s "+
		"--login-timeout=2s --data-timeout=3s --stall-timeout=4s --drain-timeout=5s --commit-grace=6s --max-sessions=7 "+
		"--max-sessions-per-ip=8 --max-sessions-per-user=9"), []string{"S3FTPD_PASSWORD=x"})
	if err != nil {
		t.Fatal(err)
	}
	s := ftpServer(c, nil, userSource{}, nil, newResources(c, nil), quiet)
	got := []any{s.Passive.First, s.Passive.Last, s.Active.Port, s.IdleTimeout, s.LoginTimeout, s.DataTimeout, s.StallTimeout, s.DrainTimeout,
		s.CommitGrace, s.Sessions.Max, s.Sessions.MaxPerAddress, s.Sessions.MaxPerUser}
	want := []any{uint16(2000), uint16(2001), uint16(7), time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second, 5 * time.Second,
		6 * time.Second, 7, 8, 9}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if s.Passive.Group == nil || s.Passive.Group(netip.MustParseAddr("2001:db8::1")).Bits() != 64 {
		t.Error("passive ports count each address of an IPv6 network by itself")
	}
	if s.DrainEnd == nil {
		t.Error("nothing tells the store that the time to drain is over")
	}
	if s.TLS != nil || s.ActiveTLS.Port != 7 {
		t.Errorf("TLS is %+v, and dials from %d", s.TLS, s.ActiveTLS.Port)
	}
	c.Active = false
	if s := ftpServer(c, nil, userSource{}, nil, newResources(c, nil), quiet); s.Active != nil || s.ActiveTLS != nil {
		t.Error("PORT is allowed")
	}
}

// If the password is configured as a hash, its user can log in: there is a limiter for hashing.
func TestPasswordsAreHashed(t *testing.T) {
	hash, err := auth.Hash("wonderland")
	if err != nil {
		t.Fatal(err)
	}
	c := &config.Config{User: "alice", Password: config.Secret(hash)}
	login := userOfOptions(c, nil, newResources(c, nil), quiet).login
	if _, err := login(t.Context(), proxy.Attempt{User: "alice", Password: "wonderland"}); err != nil {
		t.Error(err)
	}
}

func TestServerOfTLS(t *testing.T) {
	for args, want := range map[string]ftp.TLS{
		"":                                 {Control: ftp.Required, DataSession: ftp.Optional},
		"--tls=off --tls-data-session=off": {Control: ftp.Never, DataSession: ftp.Never},
		"--tls=optional --tls-data-session=require --tls-upload-close=lenient": {Control: ftp.Optional, DataSession: ftp.Required, LenientClose: true},
		"--tls=required --tls-data-session=offer --tls-upload-close=strict":    {Control: ftp.Required, DataSession: ftp.Optional},
	} {
		c, err := config.Load(config.Serve, append(strings.Fields(args), "--bucket=invoices", "--user=alice", "--tls-self-signed"), []string{"S3FTPD_PASSWORD=x"})
		if err != nil {
			t.Fatal(err)
		}
		cert, err := openCertificate(c, quiet)
		if err != nil {
			t.Fatal(err)
		}
		s := ftpServer(c, nil, userSource{}, cert, newResources(c, nil), quiet)
		got := *s.TLS
		if got.Config() != cert.config() {
			t.Errorf("%s: the certificate is another one", args)
		}
		if got.Config = nil; !reflect.DeepEqual(got, want) || s.Active.Port != 20 || s.ActiveTLS.Port != 989 {
			t.Errorf("%s: got %+v, %d, %d, want %+v", args, got, s.Active.Port, s.ActiveTLS.Port, want)
		}
	}
}

func TestLog(t *testing.T) {
	for format, want := range map[string]string{"auto": "{", "json": "{", "text": "20"} {
		log := newConsole()
		l := newLog(&config.Config{LogFormat: format, LogLevel: 4}, log)
		l.Info("hush")
		l.Warn("hello", "name", "a\n\x1b[31mb")
		text := log.String()
		if !strings.HasPrefix(text, want) || strings.Contains(text, "hush") || strings.Contains(text, "\x1b") || strings.Count(text, "\n") != 1 {
			t.Errorf("%s: %q", format, text)
		}
	}
}
