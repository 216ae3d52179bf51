package netns

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/textproto"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// A storage is the S3 server of a test with hosts. It runs on the test's own host, and each s3ftpd reaches it over its loopback.
type storage struct {
	t      testing.TB
	server *real.S3
	harness.Bucket
}

func newStorage(t testing.TB) storage {
	t.Helper()
	newHost(t, "probe") // skips the test before S3 is started
	server := real.MinIO(t)
	return storage{t, server, harness.NewBucket(t, server)}
}

// bridge starts s3ftpd on a host, on port 21 of all addresses.
func (s storage) bridge(h *host, args ...string) *harness.Server {
	h.t.Helper()
	near := h.listen("127.0.0.1:0", func(conn *net.TCPConn) {
		defer conn.Close()
		far, err := net.Dial("tcp", strings.TrimPrefix(s.server.Endpoint, "http://"))
		if err != nil {
			return
		}
		defer far.Close()
		go harness.Pass(far.(*net.TCPConn), conn)
		harness.Pass(conn, far.(*net.TCPConn))
	})
	words := append([]string{"netns", "exec", h.name, harness.Program(), "serve", "--ftp", ":21", "--endpoint", "http://" + near,
		"--bucket", harness.BucketName, "--user", harness.User, "--log-format", "json", "--log-level", "debug"}, args...)
	return harness.StartCommand(h.t, ":21", append(s.server.Env(), "S3FTPD_PASSWORD="+harness.Password), exec.Command("ip", words...))
}

// holds checks that S3 has an object with this sum.
func (s storage) holds(t testing.TB, key, want string) {
	t.Helper()
	if got := s.Sum(key); got != want {
		t.Errorf("%s: S3 has %s, want %s", key, got, want)
	}
}

// curl uploads a file from a host to that address or URL, and downloads it again.
func (s storage) curl(h *host, addr string, args ...string) {
	h.t.Helper()
	url := toURL(addr)
	base := append([]string{"curl", "-sS", "--globoff", "--max-time", "60", "--user", harness.User + ":" + harness.Password}, args...)
	s.carry(h, strings.Join(base, " "), func(dir, name string) string {
		h.run(dir, "", append(base, "-T", "file", url+"/"+name)...)
		h.run(dir, "", append(base, "-o", "back", url+"/"+name)...)
		return h.run(dir, "", append(base, url+"/")...)
	})
}

// lftp does the same, with settings such as "ftp:passive-mode no".
func (s storage) lftp(h *host, addr string, settings ...string) {
	h.t.Helper()
	script := "set cmd:fail-exit yes\nset net:max-retries 1\nset net:timeout 60\n"
	for _, setting := range settings {
		script += "set " + setting + "\n"
	}
	script += fmt.Sprintf("open -u %s,%s %s\n", harness.User, harness.Password, toURL(addr))
	s.carry(h, script, func(dir, name string) string {
		return h.run(dir, script+"put file -o "+name+"\nget "+name+" -o back\nls\n", "lftp", "--norc", "-f", "/dev/stdin")
	})
}

func toURL(addr string) string {
	if strings.Contains(addr, "://") {
		return addr
	}
	return "ftp://" + addr
}

// carry runs a client that sends a file, fetches it as "back", and lists the root, in one directory.
func (s storage) carry(h *host, what string, client func(dir, name string) (list string)) {
	h.t.Helper()
	dir := h.t.TempDir()
	want := harness.MakeFile(h.t, filepath.Join(dir, "file"), 3*harness.MiB+1)
	name := want[:16]
	list := client(dir, name)
	s.holds(h.t, name, want)
	if got := harness.SumFile(h.t, filepath.Join(dir, "back")); got != want {
		h.t.Errorf("%s, %s: %s comes back, want %s", h.label, what, got, want)
	}
	if !strings.Contains(list, name) {
		h.t.Errorf("%s, %s: no %s in the list:\n%s", h.label, what, name, list)
	}
}

// A bareClient is a bare FTP client on a host. It uses the addresses that replies name.
type bareClient struct {
	*harness.Client
	from *host
	addr string // of its end of the control connection
}

// login logs in at a server.
func (h *host) login(addr string) *bareClient {
	h.t.Helper()
	conn, err := h.dial(addr)
	if err != nil {
		h.t.Fatal(err)
	}
	server, _, _ := net.SplitHostPort(addr)
	return &bareClient{harness.NewClient(h.t, textproto.NewConn(conn), server), h, conn.LocalAddr().String()}
}

// passive sends PASV or EPSV, and returns the address in the reply.
func (g *bareClient) passive(verb string) string {
	g.T.Helper()
	if verb == "EPSV" {
		var port int
		if _, err := fmt.Sscanf(g.Cmd(229, "%s", verb), "Entering Extended Passive Mode (|||%d|)", &port); err != nil {
			g.T.Fatal(err)
		}
		return net.JoinHostPort(g.Host, fmt.Sprint(port))
	}
	var a [4]byte
	var high, low uint16
	text := g.Cmd(227, "%s", verb)
	if _, err := fmt.Sscanf(text, "Entering Passive Mode (%d,%d,%d,%d,%d,%d)", &a[0], &a[1], &a[2], &a[3], &high, &low); err != nil {
		g.T.Fatal(err)
	}
	return netip.AddrPortFrom(netip.AddrFrom4(a), high<<8|low).String()
}

// connect opens the data connection.
func (g *bareClient) connect(addr string) *net.TCPConn {
	g.T.Helper()
	conn, err := g.from.dial(addr)
	if err != nil {
		g.T.Fatalf("%s: %v", g.from.label, err)
	}
	return conn
}

// store sends a file over a data connection, and returns its sum.
func (g *bareClient) store(data io.WriteCloser, name string) string {
	g.T.Helper()
	g.Cmd(150, "STOR %s", name)
	if _, err := io.CopyN(data, harness.Noise(name), harness.MiB); err != nil {
		g.T.Fatalf("%s: %v", name, err)
	}
	data.Close()
	g.Expect(226)
	return harness.SumOf(g.T, io.LimitReader(harness.Noise(name), harness.MiB))
}
