package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/passive"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/ftp"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// Each cause is recognized, and each of its placeholders has a value.
func TestExplain(t *testing.T) {
	t.Setenv("AWS_CA_BUNDLE", "/missing.pem")
	c := &config.Config{FTP: ":21", FTPS: ":990", Bucket: "invoices", Endpoint: "http://s3:9000", MaxSessions: 7, MaxSessionsPerIP: 8, MaxSessionsPerUser: 9,
		PassivePorts: config.Ports{First: 2000, Last: 2001}}
	s3 := func(status int, code, message string) *s3fs.RequestError {
		return &s3fs.RequestError{Operation: "PutObject", Endpoint: "http://s3:9000", Status: status, Code: code, Message: message, Region: "us-east-1"}
	}
	change := func(e *s3fs.RequestError, f func(*s3fs.RequestError)) error {
		f(e)
		return e
	}
	sts := func(status int, code string) error {
		return &s3fs.RequestError{Operation: "AssumeRole", Service: "STS", Endpoint: "https://sts", Status: status, Code: code, Message: "x"}
	}
	sent := func(err error) error { return fmt.Errorf("%w: %w", s3(0, "", ""), err) }
	bind := func(errno syscall.Errno) error {
		return &listenError{"--ftp", ":21", fmt.Errorf("listen tcp: %w", errno)}
	}
	for _, test := range []struct {
		err            error
		reason, advice string
	}{
		{change(s3(0, "", ""), func(e *s3fs.RequestError) { e.NoKeys = true }), "no S3 keys found: AWS_SECRET_ACCESS_KEY is not set", "AWS_PROFILE"},
		{sts(403, "AccessDenied"), "STS refuses AssumeRole: the keys may not assume the role", "the keys need sts:AssumeRole for the role, and the role's trust policy"},
		{sts(403, "InvalidClientTokenId"), "STS does not know the key", "access-key of the user"},
		{sts(403, "SignatureDoesNotMatch"), "the secret does not belong to the key", "or of the user"},
		{sts(400, "ValidationError"), "the role or the external id", "role-arn and external-id"},
		{sts(403, "RegionDisabledException"), "not active in the region", "AWS_ENDPOINT_URL_STS"},
		{sts(501, "NotImplemented"), "has no STS", "AWS_ENDPOINT_URL_STS"},
		{sts(400, "PackedPolicyTooLarge"), "STS refuses AssumeRole, so the role cannot be assumed", "trust policy"},
		{sts(429, "Throttling"), "is overloaded", "try again"},
		{fmt.Errorf("%w: %w", sts(0, ""), syscall.ECONNREFUSED), "STS does not answer at https://sts", "check the network"},
		{s3(403, "SignatureDoesNotMatch", "x"), "the secret does not belong to the key", "AWS_SECRET_ACCESS_KEY"},
		{s3(403, "InvalidAccessKeyId", "x"), "S3 does not know the key", "AWS_ACCESS_KEY_ID"},
		{s3(400, "ExpiredToken", "x"), "the temporary keys have expired", "AWS_SESSION_TOKEN"},
		{s3(400, "InvalidToken", "x"), "the session token", "AWS_SESSION_TOKEN"},
		{s3(403, "RequestTimeTooSkewed", "x"), "the clocks", "set the clock"},
		{change(s3(301, "PermanentRedirect", ""), func(e *s3fs.RequestError) { e.BucketRegion = "eu-west-1" }),
			"the bucket is in eu-west-1, and requests are signed for us-east-1", "use --region eu-west-1"},
		{change(s3(400, "BadRequest", ""), func(e *s3fs.RequestError) { e.Speaks = "https" }), "http://s3:9000 is a port for TLS", "use --endpoint https://s3:9000"},
		{change(s3(0, "", ""), func(e *s3fs.RequestError) { e.Endpoint, e.Speaks = "https://s3:9000", "http" }),
			"https://s3:9000 does not speak TLS", "use --endpoint http://s3:9000"},
		{sent(x509.UnknownAuthorityError{}), "the authority of the certificate of http://s3:9000 is not trusted", "AWS_CA_BUNDLE"},
		{sent(x509.HostnameError{Certificate: new(x509.Certificate), Host: "s3"}), "for other names", "--endpoint"},
		{sent(x509.CertificateInvalidError{Reason: x509.Expired}), "is not valid", "renew it"},
		{s3(403, "SecondLevelDomainForbidden", "Use a third level domain."), "the bucket in the host", "use --path-style off"},
		{change(s3(200, "", ""), func(e *s3fs.RequestError) { e.Sent = "HTML" }), "not an S3 service (it sent HTML)", "correct --endpoint"},
		{change(s3(502, "", ""), func(e *s3fs.RequestError) { e.Sent = "HTML" }), "a proxy in front of S3", "behind http://s3:9000"},
		{change(s3(501, "", ""), func(e *s3fs.RequestError) { e.Sent = "HTML" }), "not an S3 service (it sent HTML)", "correct --endpoint"},
		{s3(503, "SlowDown", "x"), "S3 is overloaded", "--max-sessions"},
		{s3(429, "TooManyRequests", "x"), "S3 is overloaded", "--max-sessions"},
		{fmt.Errorf("%w: %w", s3fs.ErrNoBucket, s3(404, "NoSuchBucket", "")), "the bucket invoices does not exist", "make the bucket"},
		{fmt.Errorf("%w: %w", s3fs.ErrNoBucket, &s3fs.RequestError{Operation: "HeadObject", Bucket: "of-alice", Status: 404, Code: "NoSuchBucket"}),
			"the bucket of-alice does not exist", "make the bucket"},
		{s3(403, "AccessDenied", "x"), "the keys may not do PutObject", "allow s3:PutObject (or use --payload signed or --request-payer"},
		{change(s3(403, "Forbidden", ""), func(e *s3fs.RequestError) { e.Operation = "HeadObject" }), "S3 refuses HeadObject, and gives no reason",
			"allow s3:GetObject, and s3:ListBucket"},
		{s3(403, "AccountProblem", "x"), "has disabled the account", "operator"},
		{s3(400, "KMS.NotFoundException", "x"), "the encryption key", "--sse-kms-key"},
		{s3(403, "InvalidObjectState", "x"), "archived", "restore"},
		{fmt.Errorf("%w: %w", syscall.ENOSPC, s3(507, "XMinioStorageFull", "x")), "the storage is full", "free space"},
		{s3(400, "InvalidArgument", "Part number must be from 1 to 1000"), "no more than 1000 parts", "use --max-parts 1000"},
		{change(s3(400, "InvalidPart", "parts must have the same length"), func(e *s3fs.RequestError) { e.Operation = "CompleteMultipartUpload" }),
			"parts of one size", "use --uniform-parts on"},
		{change(s3(400, "InvalidPart", "a part is not listed"), func(e *s3fs.RequestError) { e.Operation = "CompleteMultipartUpload" }),
			"parts that are not listed", "use --resume 0"},
		{change(s3(400, "InvalidPart", "parts could not be found"), func(e *s3fs.RequestError) { e.Operation = "CompleteMultipartUpload" }), "", ""},
		{s3fs.ErrDamaged, "damaged", "--checksum md5"},
		{sent(&net.DNSError{Name: "s3", IsNotFound: true}), "does not resolve", "or the DNS"},
		{sent(syscall.ECONNREFUSED), "nothing listens at http://s3:9000", "start the service"},
		{sent(syscall.EHOSTUNREACH), "no route", "check the network"},
		{sent(os.ErrDeadlineExceeded), "S3 does not answer", "whether the service is up"},
		{sent(syscall.ECONNRESET), "the connection to S3 broke", "firewalls"},
		{s3(500, "InternalError", "x"), "a fault of its own", "log of the service"},
		{bind(syscall.EADDRINUSE), "the port is in use", "stop the program"},
		{bind(syscall.EADDRNOTAVAIL), "no interface", "address of this machine"},
		{bind(syscall.EACCES), "privilege", "--ftp :2121"},
		{syscall.EMFILE, "open files", "LimitNOFILE"},
		{&ftp.HandshakeError{Implicit: true, Err: tls.RecordHeaderError{}}, "--ftps :990 is a port for implicit TLS", "--ftp :21"},
		{&ftp.HandshakeError{Err: tls.RecordHeaderError{}}, "", ""},
		{&ftp.HandshakeError{Err: &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}}, "the client's certificate", "--tls-client-ca"},
		{&ftp.HandshakeError{Err: io.EOF}, "the client broke off the TLS handshake", "import the certificate"},
		{&ftp.HandshakeError{Implicit: true, Err: context.DeadlineExceeded}, "the client sends nothing on --ftps :990", "--ftp :21"},
		{&ftp.HandshakeError{Err: errors.New("tls: client didn't provide a certificate")}, "the client sent no certificate", "install a certificate"},
		{ftp.ErrProxyHeader, "a load balancer sends PROXY headers", "add its address"},
		{&passive.HeaderError{Err: os.ErrDeadlineExceeded}, "does not begin with a PROXY header", "let the load balancer send PROXY headers"},
		{s3(400, "InvalidArgument", "S3 API Requests must be made to API port."), "http://s3:9000 is the web console of MinIO", "correct --endpoint"},
		{&fs.PathError{Op: "open", Path: "/missing.pem", Err: fs.ErrNotExist}, "the file that AWS_CA_BUNDLE names cannot be read", "correct AWS_CA_BUNDLE"},
		{&fs.PathError{Op: "open", Path: "/other.pem", Err: fs.ErrNotExist}, "", ""},
		{fmt.Errorf("put: %w", ftp.ErrCharset), "the client sends names in another charset", "set --names to the client's charset"},
		{ftp.ErrImplicitTLS, "--ftp :21 is a port for explicit TLS", "--ftps :990"},
		{&ftp.PassiveTimeoutError{Told: netip.MustParseAddrPort("192.0.2.7:2000"), Err: os.ErrDeadlineExceeded},
			"did not connect to 192.0.2.7:2000", "open --passive-ports 2000-2001"},
		{proxy.ErrTooManySessions, "--max-sessions is 7", "raise it"},
		{proxy.ErrTooManyFromAddress, "--max-sessions-per-ip is 8", "raise it"},
		{proxy.ErrBanned, "guesses passwords", "correct the password"},
		{proxy.ErrTooManyLogins, "more logins", "look in the log"},
		{proxy.ErrTooManyOfUser, "--max-sessions-per-user is 9, if the user has no max-sessions", "raise the one"},
		{proxy.ErrTooManyTransfers, "max-transfers", "raise max-transfers"},
		{passive.ErrNoPort, "--passive-ports 2000-2001", "widen"},
		{s3(404, "NoSuchKey", ""), "", ""},
		{syscall.ECONNREFUSED, "", ""},
		{context.Canceled, "", ""},
		{nil, "", ""},
	} {
		t.Setenv("AWS_ACCESS_KEY_ID", "key")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "")
		x := explain(c, test.err)
		if !strings.Contains(x.reason, test.reason) || !strings.Contains(x.advice, test.advice) || (x.advice == "") != (test.advice == "") ||
			strings.ContainsAny(x.reason+x.advice, "{}") {
			t.Errorf("%v: %q, %q", test.err, x.reason, x.advice)
		}
	}
}

// A failureCase is a service that fails, and the reason and advice that check and the log must show.
type failureCase struct {
	endpoint       func(*testing.T) string
	environ        []string
	reason, advice string
}

// failureCases use real servers, and canned responses for failures that these cannot produce.
var failureCases = map[string]failureCase{
	"wrong secret": {store, []string{"AWS_SECRET_ACCESS_KEY=other"}, "the secret does not belong to the key", "correct AWS_SECRET_ACCESS_KEY"},
	"unknown key":  {store, []string{"AWS_ACCESS_KEY_ID=other"}, "S3 does not know the key", "correct AWS_ACCESS_KEY_ID"},
	"no secret":    {store, []string{"AWS_SECRET_ACCESS_KEY="}, "no S3 keys found: AWS_SECRET_ACCESS_KEY is not set", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"},
	"wrong clock":  {answersOf(403, "", "RequestTimeTooSkewed"), nil, "the clocks of this machine and of S3 differ", "set the clock"},
	"redirect": {answersOf(301, "X-Amz-Bucket-Region: eu-west-1", "PermanentRedirect"), nil, "the bucket is in eu-west-1",
		"use --region eu-west-1"},
	"expired token": {answersOf(400, "", "ExpiredToken"), nil, "the temporary keys have expired", "get new values"},
	"full":          {answersOf(507, "", "XMinioStorageFull"), nil, "the storage is full", "free space"},
	"a web page":    {answersOf(404, "Content-Type: text/html", "<html><body>Welcome</body></html>"), nil, "is not an S3 service (it sent HTML)", "correct --endpoint"},
	"http to TLS":   {func(t *testing.T) string { return strings.Replace(secureServer(t), "https:", "http:", 1) }, nil, "is a port for TLS", "use --endpoint https://"},
	"https to http": {func(t *testing.T) string { return strings.Replace(store(t), "http:", "https:", 1) }, nil, "does not speak TLS", "use --endpoint http://"},
	"private CA":    {secureServer, nil, "is not trusted", "name a PEM file with the authority's certificate in AWS_CA_BUNDLE"},
}

// store serves an embedded store with one access key, and returns its URL.
func store(t *testing.T) string {
	t.Helper()
	s3 := openStore(t, map[string]string{"canary-key": "canary-aws-secret"})
	if err := s3.CreateBucket("invoices"); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(s3.Handler())
	t.Cleanup(s.Close)
	return s.URL
}

// answersOf serves the same response to every request: an S3 error code, or a page.
func answersOf(status int, header, body string) func(*testing.T) string {
	return func(t *testing.T) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			key, value, _ := strings.Cut(header, ": ")
			w.Header().Set(key, value)
			w.WriteHeader(status)
			if strings.HasPrefix(body, "<") {
				io.WriteString(w, body)
				return
			}
			io.WriteString(w, "<Error><Code>"+body+"</Code><Message>Some words.</Message></Error>")
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
}

// secureServer serves TLS with a certificate that is not trusted.
func secureServer(t *testing.T) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

// sdkNoise matches words of the AWS SDK that do not help users.
var sdkNoise = regexp.MustCompile(`operation error|StatusCode|RequestID|IMDS|exceeded maximum`)

// TestFailures: check, the log and replies to clients describe a failure of S3, without the words of the SDK.
func TestFailures(t *testing.T) {
	for name, test := range failureCases {
		t.Run(name, func(t *testing.T) {
			awsEnvironment(t)
			endpoint := test.endpoint(t)
			for _, kv := range test.environ {
				name, value, _ := strings.Cut(kv, "=")
				t.Setenv(name, value)
			}
			_, _, text := checked(t, checkArgs(endpoint, "--region=us-east-1"))
			line := text[max(0, strings.Index(text, "FAIL  the bucket")):]
			if !strings.Contains(line, test.reason) || !strings.Contains(line, "advice: "+test.advice) || sdkNoise.MatchString(text) {
				t.Errorf("check:\n%s", text)
			}
			r := start(t, []string{"S3FTPD_PASSWORD=secret"}, "--user=alice", "--bucket=invoices", "--ftp=127.0.0.1:0", "--endpoint", endpoint,
				"--region=us-east-1", "--log-format=json", "--log-level=debug")
			address := regexp.MustCompile(`listening[^0-9]+([0-9.:]+[0-9])`).FindStringSubmatch(r.stderr.await(t, `"implicit"`))[1]
			client := dial(t, address)
			for _, exchange := range []struct {
				code    int
				command string
			}{{331, "USER alice"}, {230, "PASS secret"}, {451, "STAT /"}} {
				client.PrintfLine("%s", exchange.command)
				if code, text, err := client.ReadResponse(0); code/100 != exchange.code/100 && code/100 != 5 || sdkNoise.MatchString(text) {
					t.Errorf("%s: %d %s, %v", exchange.command, code, text, err)
				}
			}
			r.stderr.await(t, "command failed")
			r.end(t)
			logged := r.stderr.String()
			for line := range strings.Lines(logged) {
				if !json.Valid([]byte(line)) || sdkNoise.MatchString(line) {
					t.Errorf("logged %s", line)
				}
				if strings.Contains(line, "command failed") && !(strings.Contains(line, test.reason) && strings.Contains(line, `"advice":"`+test.advice)) {
					t.Errorf("logged %s", line)
				}
			}
		})
	}
}

// The log explains an upload to a web server as it explains other commands.
func TestUploadToWebPage(t *testing.T) {
	for _, status := range []int{http.StatusMethodNotAllowed, http.StatusNotImplemented} {
		awsEnvironment(t)
		r := start(t, []string{"S3FTPD_PASSWORD=secret"}, "--user=alice", "--bucket=invoices", "--ftp=127.0.0.1:0", "--region=us-east-1", "--log-format=json",
			"--endpoint", answersOf(status, "Content-Type: text/html", "<!DOCTYPE HTML><html><body>Unsupported method</body></html>")(t))
		client := dial(t, regexp.MustCompile(`listening[^0-9]+([0-9.:]+[0-9])`).FindStringSubmatch(r.stderr.await(t, `"implicit"`))[1])
		expect(t, client, "USER alice", 331)
		expect(t, client, "PASS secret", 230)
		conn := passiveData(t, client)
		expect(t, client, "STOR f", 150)
		conn.Close()
		if code, text, err := client.ReadResponse(0); code < 400 {
			t.Errorf("the upload: %d %s, %v", code, text, err)
		}
		r.stderr.await(t, `"command":"STOR"`)
		r.end(t)
		for line := range strings.Lines(r.stderr.String()) {
			if strings.Contains(line, `"command":"STOR"`) && !strings.Contains(line, `"reason":"what answers at http://`) {
				t.Errorf("%d: logged %s", status, line)
			}
		}
	}
}

// Failures of clients to connect are explained in the log: TLS on the wrong port, an untrusted certificate, no data connection.
func TestClientFailures(t *testing.T) {
	awsEnvironment(t)
	s3 := httptest.NewServer(embedded(t, "invoices"))
	t.Cleanup(s3.Close)
	r := start(t, []string{"S3FTPD_PASSWORD=secret"}, "--user=alice", "--bucket=invoices", "--ftp=127.0.0.1:0", "--ftps=127.0.0.1:0", "--endpoint", s3.URL,
		"--region=us-east-1", "--tls-self-signed", "--tls=optional", "--data-timeout=1s", "--log-format=json", "--log-level=info")
	t.Cleanup(func() { r.end(t) })
	address := func(implicit bool) string {
		line := fmt.Sprintf(`"implicit":%v`, implicit)
		return regexp.MustCompile(`"address":"([0-9.:]+)",` + line).FindStringSubmatch(r.stderr.await(t, line))[1]
	}
	connect := func(implicit bool) net.Conn {
		conn, err := net.Dial("tcp", address(implicit))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}

	fmt.Fprint(connect(true), "USER alice\r\n")
	r.stderr.await(t, `"reason":"the client does not speak TLS`)
	fmt.Fprint(connect(false), "\x16\x03\x01\x00\x05hello")
	r.stderr.await(t, "is a port for explicit TLS")
	if err := tls.Client(connect(true), &tls.Config{ServerName: "localhost", RootCAs: x509.NewCertPool()}).Handshake(); err == nil {
		t.Error("a self-signed certificate was trusted")
	}
	r.stderr.await(t, `"reason":"the client broke off the TLS handshake"`)

	client := dial(t, address(false))
	expect(t, client, "USER alice", 331)
	expect(t, client, "PASS secret", 230)
	told := regexp.MustCompile(`,(\d+),(\d+)\)`).FindStringSubmatch(expect(t, client, "PASV", 227))
	high, _ := strconv.Atoi(told[1])
	low, _ := strconv.Atoi(told[2])
	expect(t, client, "LIST", 150)
	expect(t, client, "", 425)
	r.stderr.await(t, fmt.Sprintf(`"reason":"the client did not connect to 127.0.0.1:%d, as the reply`, high<<8|low))
}

// serve prints the reason and the advice if a port is in use.
func TestPortTakenIsExplained(t *testing.T) {
	awsEnvironment(t)
	code, stdout, stderr := output(t, "", []string{"S3FTPD_PASSWORD=secret"}, "--user=alice", "--bucket=bucket", "--ftp="+taken(t))
	if code != exitFailure || !strings.Contains(stderr, "the port is in use; stop the program that uses the port") || stdout != "" {
		t.Errorf("%d %s%s", code, stdout, stderr)
	}
}

// The log has the request ID, the reason and the advice with an error.
func TestLogExplains(t *testing.T) {
	var b bytes.Buffer
	newLog(&config.Config{LogFormat: "json"}, &b).Info("m", "err", fmt.Errorf("operation error S3: PutObject, %w",
		&s3fs.RequestError{Operation: "PutObject", Status: 403, Code: "InvalidAccessKeyId", ID: "R1"}))
	if got := b.String(); !strings.Contains(got, `"err":"PutObject, S3 says InvalidAccessKeyId (request R1)","reason":"S3 does not know the key","advice":"correct`) {
		t.Error(got)
	}
}

// All requests to a directory bucket need the same permission.
func TestPermissionOfDirectoryBucket(t *testing.T) {
	c := &config.Config{Bucket: "invoices--use1-az4--x-s3", Region: "us-east-1"}
	err := &s3fs.RequestError{Operation: "PutObject", Status: 403, Code: "AccessDenied"}
	if got := explain(c, err).advice; !strings.HasPrefix(got, "allow s3express:CreateSession") {
		t.Errorf("advice %q", got)
	}
	want := `{"Effect":"Allow","Action":["s3express:CreateSession"],"Resource":"arn:aws:s3express:*:*:bucket/invoices--use1-az4--x-s3"}`
	if got := policy(c, []string{s3fs.CreateSession}); !strings.Contains(got, want) {
		t.Errorf("policy %s, want %s", got, want)
	}
}
