package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/s3fs"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// checkArgs returns valid arguments for check.
func checkArgs(endpoint string, more ...string) []string {
	return real.Arguments(append([]string{"check", "--endpoint", endpoint, "--bucket=invoices", "--user=alice", "--ftp=127.0.0.1:0",
		"--passive-ports=1024-65535", "--active=false"}, more...)...)
}

// checked runs check. It returns the exit code, the first words of its lines, and the output.
func checked(t *testing.T, args []string) (code int, words []string, text string) {
	t.Helper()
	code, text, stderr := output(t, "", []string{"S3FTPD_PASSWORD=canary-password"}, args...)
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "      advice: ") && len(words) > 0 && len(line) > 20 {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		if words = append(words, word); !slices.Contains([]string{"ok", "FAIL", "warn"}, word) || !strings.HasSuffix(rest, "\n") || len(rest) < 10 {
			t.Errorf("not a result: %q", line)
		}
	}
	failed := slices.Contains(words, "FAIL")
	if failed != (code == exitFailure) || !failed && code != 0 || failed != strings.Contains(stderr, "checks failed") {
		t.Errorf("code %d after\n%s%s", code, text, stderr)
	}
	if strings.Contains(text+stderr, "canary") || strings.Contains(text+stderr, "tester-secret") {
		t.Errorf("a secret shows:\n%s%s", text, stderr)
	}
	return code, words, text
}

// keysOf sets the AWS environment to the keys of a server.
func keysOf(t *testing.T, server *real.S3) {
	t.Helper()
	for _, kv := range server.Env() {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
}

func TestCheckOnMinIO(t *testing.T) {
	server := real.MinIO(t)
	keysOf(t, server)
	bucket := "invoices"
	if _, err := server.Client().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	for _, more := range [][]string{nil, {"--prefix=a b/c", "--tags=a=b", "--storage-class=REDUCED_REDUNDANCY", "--checksum=sha256"}, {"--checksum=md5"}} {
		code, _, text := checked(t, checkArgs(server.Endpoint, more...))
		if code != 0 || strings.Count(text, "warn ") != 3 {
			t.Errorf("%v:\n%s", more, text)
		}
		out, err := server.Client().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket})
		if err != nil || len(out.Contents) != 0 {
			t.Errorf("left: %v, %v", out.Contents, err)
		}
	}
	_, _, text := checked(t, checkArgs(server.Endpoint, "--checksum=none"))
	if !strings.Contains(text, "put, with no checksum") || !strings.Contains(text, "warn  content that does not match") {
		t.Error(text)
	}
}

// check reports each fault of the service in one line, with advice.
func TestCheckFindsTheServiceWrong(t *testing.T) {
	server := real.MinIO(t)
	bucket := "invoices"
	if _, err := server.Client().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	refusing := func(methods ...string) string {
		to, err := url.Parse(server.Endpoint)
		if err != nil {
			t.Fatal(err)
		}
		proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host // Host is part of the signature
		}}
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if slices.Contains(methods, r.Method) {
				w.WriteHeader(http.StatusForbidden)
				io.WriteString(w, "<Error><Code>AccessDenied</Code><Message>Access\nDenied.</Message></Error>")
				return
			}
			proxy.ServeHTTP(w, r)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	for name, test := range map[string]struct {
		args   []string
		secret string
		says   []string
	}{
		"wrong secret": {checkArgs(server.Endpoint), "canary", []string{"FAIL  the bucket does not answer: the secret does not belong to the key (S3 says SignatureDoesNotMatch", "advice: correct AWS_SECRET_ACCESS_KEY"}},
		"no bucket":    {checkArgs(server.Endpoint, "--bucket=nowhere"), "", []string{"FAIL  the bucket does not answer: the bucket nowhere does not exist (", "advice: make the bucket, or correct --bucket\n"}},
		"read only": {checkArgs(refusing("PUT", "POST", "DELETE"), "--prefix=a"), "",
			[]string{"ok    the bucket answers", "FAIL  an object cannot be put", "the keys may not do PutObject (S3 says AccessDenied, Access Denied)\n      advice: allow s3:PutObject " +
				"(or use --payload signed or --request-payer if the bucket demands that)\n"}},
		"no deletion": {checkArgs(refusing("DELETE"), "--prefix=a"), "",
			[]string{"ok    an object can be copied", "FAIL  a multipart upload cannot be aborted: the keys may not do AbortMultipartUpload (S3 says AccessDenied, Access Denied)\n      advice: allow s3:AbortMultipartUpload (or ",
				"FAIL  an object cannot be deleted: the keys may not do DeleteObject (S3 says AccessDenied, Access Denied)\n      advice: allow s3:DeleteObject (or ", `FAIL  objects of the check could not be removed: the upload`}},
	} {
		t.Run(name, func(t *testing.T) {
			keysOf(t, server)
			if test.secret != "" {
				t.Setenv("AWS_SECRET_ACCESS_KEY", test.secret)
			}
			code, _, text := checked(t, test.args)
			for _, says := range test.says {
				if code != exitFailure || !strings.Contains(text, says) {
					t.Errorf("%d, without %q:\n%s", code, says, text)
				}
			}
		})
	}
}

// checkable returns the URL of an embedded store with the bucket.
func checkable(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(embedded(t, "invoices"))
	t.Cleanup(server.Close)
	return server.URL
}

func TestCheckOnTheEmbeddedStore(t *testing.T) {
	code, words, text := checked(t, checkArgs(checkable(t), "--prefix=a"))
	if code != 0 || strings.Count(text, "warn ") != 1 || len(words) != 34 {
		t.Errorf("%d\n%s", code, text)
	}
}

// check prints the known facts about a service, without Markdown.
func TestCheckKnown(t *testing.T) {
	for endpoint, want := range map[string]string{
		"http://127.0.0.1:9000":               "",
		"https://s3.fr-par.scw.cloud":         "ok    the service is known as Scaleway: it takes --max-parts 1000, which is set by itself. An upload has 1,000 parts at most",
		"https://cos.ap-beijing.myqcloud.com": "ok    the service is known as Tencent COS: it takes --path-style off, which is set by itself. ",
		"https://s3.eu-west-1.amazonaws.com":  "ok    the service is known as AWS: Conditions hold",
	} {
		client, err := s3fs.NewClient(t.Context(), s3fs.Config{Endpoint: endpoint})
		if err != nil {
			t.Fatal(err)
		}
		out := newConsole()
		checkKnown(&report{w: out}, client, "b")
		if got := out.String(); !strings.HasPrefix(got, want) || want == "" && got != "" || strings.Contains(got, "`") {
			t.Errorf("%s: %q", endpoint, got)
		}
	}
}

// check names the region of the bucket, and the option to set.
func TestCheckNamesTheRegion(t *testing.T) {
	for _, kv := range (&real.S3{AccessKey: "a", SecretKey: "s"}).Env() {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("x-amz-bucket-region", "eu-west-1")
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, "<Error><Code>AuthorizationHeaderMalformed</Code></Error>")
	}))
	defer server.Close()
	const says = "FAIL  the bucket does not answer: the bucket is in eu-west-1, and requests are signed for us-east-1 " +
		"(S3 says AuthorizationHeaderMalformed)\n      advice: use --region eu-west-1\n"
	if code, _, text := checked(t, checkArgs(server.URL, "--region=us-east-1")); code != exitFailure || !strings.Contains(text, says) {
		t.Errorf("%d\n%s", code, text)
	}
}

// check reports each fault of this machine in one line too, and still runs the other checks.
func TestCheckFindsTheMachineWrong(t *testing.T) {
	endpoint := checkable(t)
	taken := taken(t)
	_, port, _ := net.SplitHostPort(taken)
	free := real.FreeAddr(t)
	_, freePort, _ := net.SplitHostPort(free)
	for name, test := range map[string]struct {
		args []string
		fail bool
		says string
	}{
		"port taken":         {[]string{"--ftp=" + taken}, true, `FAIL  --ftp "` + taken + `"`},
		"passive port taken": {[]string{"--passive-ports=" + port}, true, fmt.Sprintf("FAIL  cannot listen on any port of --passive-ports %s-%[1]s", port)},
		"active port taken":  {[]string{"--active=true", "--active-port=" + port}, false, "warn  active data connections leave from any port, not from " + port},
		"active port free":   {[]string{"--active=true", "--active-port=" + freePort}, false, "ok    active data connections leave from port " + freePort},
		"address for all":    {[]string{"--passive-address=203.0.113.10"}, false, "ok    PASV (227) tells public clients 203.0.113.10\n"},
		"address for some":   {[]string{"--passive-address=127.0.0.0/8=auto,203.0.113.10"}, false, "ok    PASV (227) tells local clients 127.0.0.1\n"},
		"private address":    {[]string{"--ftp=:0", "--passive-address=10.1.2.3"}, false, "warn  PASV (227) tells public clients 10.1.2.3, a private address that they cannot reach\n      advice: set --passive-address"},
		"unknown name":       {[]string{"--passive-address=ftp.invalid"}, true, "FAIL  PASV (227) has no address for public clients"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, text := checked(t, checkArgs(endpoint, test.args...))
			if (code != 0) != test.fail || !strings.Contains(text, test.says) || !strings.Contains(text, "ok    an object can be deleted") {
				t.Errorf("%d\n%s", code, text)
			}
		})
	}
}

// taken returns an address that is in use until the test ends.
func taken(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func TestCheckOfMistakes(t *testing.T) {
	code, words, text := checked(t, []string{"check", "--bucket=a/b", "--user=alice", "--tags=x", "--sse-kms-key=k"})
	if code != exitFailure || !slices.Equal(words, []string{"FAIL", "FAIL", "FAIL"}) || !strings.Contains(text, `FAIL  --tags "x": `) {
		t.Errorf("%d\n%s", code, text)
	}
}

// A report that cannot be written is an error, and control characters in a result do not break its lines.
func TestReport(t *testing.T) {
	r, w := io.Pipe()
	r.Close()
	report := &report{w: w}
	report.ok("a", "fine")
	if report.verdict() == nil {
		t.Error("no error of the writer")
	}
	out := newConsole()
	report.w, report.err = out, nil
	report.warn("a", "d\ne", "a\n\x1b[31mb %s", "c\r\n")
	if got := out.String(); got != "warn  a  [31mb c\n      advice: d e\n" || report.verdict() != nil {
		t.Errorf("%q", got)
	}
}

// With --json, standard output has one JSON object per line and nothing else, also if the configuration is invalid.
func TestCheckJSON(t *testing.T) {
	endpoint := checkable(t)
	file := filepath.Join(t.TempDir(), "s3ftpd.yaml")
	if err := os.WriteFile(file, []byte("json: true\nbucket: a/b\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		args    []string
		want    map[string]string // status by check
		environ string
	}{
		"valid": {checkArgs(endpoint, "--json"), map[string]string{"config": "ok", "bucket": "ok", "lifecycle": "warning",
			"delete": "ok", "listen-ftp": "ok"}, ""},
		"port":             {checkArgs(endpoint, "--json", "--ftp="+taken(t)), map[string]string{"listen-ftp": "failed", "bucket": "ok"}, ""},
		"bad":              {[]string{"check", "--json", "--bucket=a/b"}, map[string]string{"config": "failed"}, ""},
		"bad, in the file": {[]string{"check", "--config", file}, map[string]string{"config": "failed"}, ""},
		"bad, with the file's name in the environment": {[]string{"check"}, map[string]string{"config": "failed"}, "S3FTPD_CONFIG=" + file},
		"bad, in the environment":                      {[]string{"check", "--bucket=a/b"}, map[string]string{"config": "failed"}, "S3FTPD_JSON=yes"},
	} {
		t.Run(name, func(t *testing.T) {
			code, text, _ := output(t, "", []string{"S3FTPD_PASSWORD=x", test.environ}, test.args...)
			failed := false
			got := map[string]result{}
			for line := range strings.Lines(text) {
				var x result
				d := json.NewDecoder(strings.NewReader(line))
				d.DisallowUnknownFields()
				if err := d.Decode(&x); err != nil || x.Check == "" || x.Text == "" {
					t.Fatalf("%q: %v", line, err)
				}
				got[x.Check], failed = x, failed || x.Status == statusFailed
			}
			for check, status := range test.want {
				if got[check].Status != status || status != statusOK && check != "config" && got[check].Advice == "" {
					t.Errorf("%s: %+v, want %s", check, got[check], status)
				}
			}
			if failed != (code == exitFailure) {
				t.Errorf("code %d after\n%s", code, text)
			}
		})
	}
}

// The clock check warns above 1 min, and fails above 15 min, where S3 refuses requests.
func TestClockResult(t *testing.T) {
	for skew, want := range map[time.Duration]string{
		400 * time.Millisecond: "ok this machine's clock is 0 s ahead of S3's",
		-30 * time.Second:      "ok this machine's clock is 30 s behind S3's",
		61 * time.Second:       "warning this machine's clock is 61 s ahead of S3's; beyond 15 min S3 refuses requests",
		-901 * time.Second:     "failed this machine's clock is 901 s behind S3's, and S3 refuses requests beyond 15 min",
	} {
		x := clockResult(skew)
		if got := x.Status + " " + x.Text; got != want || (x.Advice == "") != (x.Status == statusOK) {
			t.Errorf("%v: %+v", skew, x)
		}
	}
}

// The clock is compared with the header Date of S3's responses, also of those that refuse the request for its time.
func TestCheckMeasuresTheClock(t *testing.T) {
	store := embedded(t, "invoices")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(20*time.Minute).UTC().Format(http.TimeFormat))
		store.ServeHTTP(w, r)
	}))
	defer server.Close()
	code, _, text := checked(t, checkArgs(server.URL))
	if code != exitFailure || !regexp.MustCompile(`FAIL  this machine's clock is (1199|120[01]) s behind S3's`).MatchString(text) {
		t.Errorf("%d\n%s", code, text)
	}
}

// The policy grants only the missing permissions, on the configured bucket, prefix and KMS key.
func TestPolicy(t *testing.T) {
	c := &config.Config{Bucket: "invoices", Prefix: "a/", Region: "cn-north-1", SSEKMSKey: "arn:aws-cn:kms:cn-north-1:1:key/k"}
	const want = `{"Version":"2012-10-17","Statement":[` +
		`{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws-cn:s3:::invoices/a/*"},` +
		`{"Effect":"Allow","Action":["s3:ListBucket"],"Resource":"arn:aws-cn:s3:::invoices"},` +
		`{"Effect":"Allow","Action":["kms:Decrypt"],"Resource":"arn:aws-cn:kms:cn-north-1:1:key/k"}]}`
	if got := policy(c, []string{"s3:GetObject", "s3:ListBucket", "s3:PutObject", "kms:Decrypt"}); got != want {
		t.Errorf("got %s", got)
	}
}
