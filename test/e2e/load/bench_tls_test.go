package load

import (
	"crypto/tls"
	"io"
	"net"
	"net/textproto"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// A benchSession is a session of a benchmark, in clear or over TLS.
type benchSession struct {
	*harness.Client
	config *tls.Config // nil = in clear
	wall   time.Duration
	cpu    float64
}

// openSecure opens a session with TLS 1.3 and AES-128-GCM; its data connections resume that of the control connection.
func (b benchmark) openSecure() *benchSession {
	conn, err := net.Dial("tcp", b.bridge.Addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	w := &harness.Client{T: b, Conn: textproto.NewConn(conn), Host: "127.0.0.1"}
	w.Expect(220)
	w.Cmd(234, "AUTH TLS")
	config := &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", MinVersion: tls.VersionTLS13, ClientSessionCache: tls.NewLRUClientSessionCache(0)}
	secure := tls.Client(conn, config)
	w.Conn = textproto.NewConn(secure)
	w.Cmd(331, "USER %s", harness.User)
	w.Cmd(230, "PASS %s", harness.Password)
	w.Cmd(200, "TYPE I")
	w.Cmd(200, "PBSZ 0")
	w.Cmd(200, "PROT P")
	if suite := secure.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		b.Fatalf("the cipher is %s", tls.CipherSuiteName(suite))
	}
	return &benchSession{Client: w, config: config}
}

// move runs a transfer of 1 GiB.
func (l *benchSession) move(command string, move func(net.Conn) error) {
	tcp := l.Open("%s", command)
	var data net.Conn = tcp
	if l.config != nil {
		data = tls.Client(tcp, l.config)
	}
	if err := move(data); err != nil {
		l.T.Error(err)
	}
	data.Close()
	l.Expect(226)
}

// compareTLS moves the same 1 GiB in clear and over TLS, in turn, and reports both.
func (b benchmark) compareTLS(command string, move func(net.Conn) error) {
	plain, secure := &benchSession{Client: b.bridge.Connect(b)}, b.openSecure()
	b.forgetPeak()
	for b.Loop() {
		for _, l := range []*benchSession{plain, secure} {
			cpu, begin := b.bridge.CPU(b), time.Now()
			l.move(command, move)
			l.wall += time.Since(begin)
			l.cpu += b.bridge.CPU(b) - cpu
		}
	}
	n := float64(b.N)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(harness.GiB)*n/1e6/plain.wall.Seconds(), "plain-MB/s")
	b.ReportMetric(float64(harness.GiB)*n/1e6/secure.wall.Seconds(), "TLS-MB/s")
	b.ReportMetric(plain.cpu/n, "plain-CPU-s/GiB")
	b.ReportMetric(secure.cpu/n, "TLS-CPU-s/GiB")
	b.ReportMetric(secure.cpu/plain.cpu, "TLS-of-plain-CPU")
	b.ReportMetric(b.bridge.Peak(b), "MiB-RSS")
}

func newSecureBenchmark(b *testing.B) benchmark {
	return benchmarkOf(b, real.MinIO(b), "--tls-self-signed", "--tls", "optional", "--ftps", "")
}

func BenchmarkSecureUpload1GiB(b *testing.B) {
	newSecureBenchmark(b).compareTLS("STOR file", func(data net.Conn) error {
		_, err := io.Copy(struct{ io.Writer }{data}, harness.Stream(harness.GiB))
		return err
	})
}

func BenchmarkSecureDownload1GiB(b *testing.B) {
	x := newSecureBenchmark(b)
	x.bucket.Upload("file", harness.GiB)
	x.compareTLS("RETR file", func(data net.Conn) error {
		_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{data}, make([]byte, 256*harness.KiB))
		return err
	})
}
