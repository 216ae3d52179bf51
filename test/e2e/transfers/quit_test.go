package transfers

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// A quitSender does not wait for the reply to its upload: it sends the data, then QUIT, and closes both connections at once.
type quitSender struct {
	control, raw net.Conn
	replies      *bufio.Reader
	config       *tls.Config // nil = in clear
	port         string
}

// newQuitSender logs in, with TLS unless config is nil.
func newQuitSender(t *testing.T, addr string, config *tls.Config) *quitSender {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	h := &quitSender{control: conn, raw: conn, replies: bufio.NewReader(conn), config: config}
	h.expect(t, "220 ")
	if config != nil {
		h.say(t, "AUTH TLS", "234 ")
		h.control = tls.Client(conn, config)
		h.replies = bufio.NewReader(h.control)
		h.say(t, "PBSZ 0", "200 ")
		h.say(t, "PROT P", "200 ")
	}
	h.say(t, "USER "+harness.User, "331 ")
	h.say(t, "PASS "+harness.Password, "230 ")
	h.say(t, "TYPE I", "200 ")
	var port int
	fmt.Sscanf(h.say(t, "EPSV", "229 "), "229 Entering Extended Passive Mode (|||%d|)", &port)
	h.port = net.JoinHostPort("127.0.0.1", fmt.Sprint(port))
	return h
}

func (h *quitSender) expect(t *testing.T, code string) string {
	t.Helper()
	text, err := h.replies.ReadString('\n')
	if err != nil || !strings.HasPrefix(text, code) {
		t.Fatalf("%q, %v, want %s", text, err, code)
	}
	return text
}

func (h *quitSender) say(t *testing.T, command, code string) string {
	t.Helper()
	io.WriteString(h.control, command+"\r\n")
	return h.expect(t, code)
}

// send sends a file and leaves. To reset the control connection, it leaves replies unread.
func (h *quitSender) send(t *testing.T, name, content string, quitFirst, reset bool) {
	t.Helper()
	tcp, err := net.Dial("tcp", h.port)
	if err != nil {
		t.Fatal(err)
	}
	data := tcp
	io.WriteString(h.control, "STOR "+name+"\r\n")
	h.expect(t, "150 ")
	if h.config != nil {
		data = tls.Client(tcp, h.config)
	}
	io.WriteString(data, content)
	if !quitFirst {
		data.Close()
	}
	io.WriteString(h.control, "QUIT\r\n")
	if reset {
		h.raw.(*net.TCPConn).SetLinger(0)
	}
	h.control.Close()
	data.Close()
}

// TestQuitBehindData: the file of a sender that does not wait for 226 is stored, in clear and over TLS, whichever connection it closes
// first, and whether the control connection ends with FIN or a reset.
func TestQuitBehindData(t *testing.T) {
	server := real.MinIO(t)
	view := harness.NewBucket(t, server)
	b := harness.StartServer(t, server, "--tls-self-signed", "--tls", "optional", "--ftps", "")
	secure := &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(0)}
	for i := range 60 {
		config := secure
		if i%3 > 0 {
			config = nil
		}
		quitFirst, reset := i%2 == 1, i%4 > 1
		name := fmt.Sprintf("hasty-%d-tls-%v-quit-first-%v-reset-%v", i, config != nil, quitFirst, reset)
		content := strings.Repeat("hasty ", i*1000)
		newQuitSender(t, b.Addr, config).send(t, name, content, quitFirst, reset)
		e := b.Log.Await(t, "transfer", "name=/"+name)
		if got := view.Sum(name); got != harness.SumOf(t, strings.NewReader(content)) {
			t.Errorf("%s is %s, and the transfer ends with %v: %v", name, got, e["code"], e["err"])
		}
	}
}

// TestQuitAheadOfData: a QUIT that is sent along with STOR does not confirm the data, which may be incomplete.
func TestQuitAheadOfData(t *testing.T) {
	server := real.MinIO(t)
	view := harness.NewBucket(t, server)
	b := harness.StartServer(t, server)
	for i := range 60 {
		name := fmt.Sprint("ahead-", i)
		h := newQuitSender(t, b.Addr, nil)
		data, err := net.Dial("tcp", h.port)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(h.control, "STOR "+name+"\r\nQUIT\r\n")
		h.expect(t, "150 ")
		io.WriteString(data, "a part of it")
		h.control.Close()
		data.Close()
		b.Log.Await(t, "transfer", "name=/"+name)
	}
	if keys := view.Keys(""); len(keys) > 0 {
		t.Errorf("%d uploads were published: %q", len(keys), keys)
	}
}
