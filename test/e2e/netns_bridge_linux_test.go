package e2e

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

	"github.com/s3ftpd/s3ftpd/test/real"
)

// A storage is the S3 server of a test with hosts. It is on our own host, and each bridge reaches it over its loopback.
type storage struct {
	t      testing.TB
	server *real.S3
	bucketView
}

func newStorage(t testing.TB) storage {
	t.Helper()
	newHost(t, "probe") // before S3 is started in vain
	server := real.MinIO(t)
	return storage{t, server, newBucket(t, server)}
}

// bridge starts the program on a host, where it listens on all addresses, port 21.
func (s storage) bridge(h *host, args ...string) *bridge {
	h.t.Helper()
	near := h.listen("127.0.0.1:0", func(conn *net.TCPConn) {
		defer conn.Close()
		far, err := net.Dial("tcp", strings.TrimPrefix(s.server.Endpoint, "http://"))
		if err != nil {
			return
		}
		defer far.Close()
		go pass(far.(*net.TCPConn), conn)
		pass(conn, far.(*net.TCPConn))
	})
	words := append([]string{"netns", "exec", h.name, program, "serve", "--ftp", ":21", "--endpoint", "http://" + near,
		"--bucket", bucket, "--user", user, "--log-format", "json", "--log-level", "debug"}, args...)
	return startCommand(h.t, ":21", append(s.server.Env(), "S3FTPD_PASSWORD="+password), exec.Command("ip", words...))
}

// holds checks that S3 has an object with this sum.
func (s storage) holds(t testing.TB, key, want string) {
	t.Helper()
	if got := s.sum(key); got != want {
		t.Errorf("%s: S3 has %s, want %s", key, got, want)
	}
}

// carry sends a file from a host to the bridge at that address with curl, fetches it back, and lists it.
func (s storage) carry(h *host, addr string, args ...string) {
	h.t.Helper()
	dir := h.t.TempDir()
	want := makeFile(h.t, filepath.Join(dir, "file"), 3*mib+1)
	base := append([]string{"curl", "-sS", "--globoff", "--max-time", "60", "--user", user + ":" + password}, args...)
	name := filepath.Base(filepath.Dir(dir)) + filepath.Base(dir)
	url := "ftp://" + addr + "/" + name
	h.run(dir, "", append(base, "-T", "file", url)...)
	s.holds(h.t, name, want)
	h.run(dir, "", append(base, "-o", "back", url)...)
	if got := sumFile(h.t, filepath.Join(dir, "back")); got != want {
		h.t.Errorf("%s %q: %s comes back, want %s", h.label, args, got, want)
	}
	if list := h.run(dir, "", append(base, "ftp://"+addr+"/")...); !strings.Contains(list, name) {
		h.t.Errorf("%s %q: no %s in the list:\n%s", h.label, args, name, list)
	}
}

// A guest is a client on a host, which says what a test tells it to say and believes what it is told.
type guest struct {
	*wire
	from *host
}

// visit logs in at a bridge.
func (h *host) visit(addr string) *guest {
	h.t.Helper()
	conn, err := h.dial(addr)
	if err != nil {
		h.t.Fatal(err)
	}
	server, _, _ := net.SplitHostPort(addr)
	return &guest{greet(h.t, textproto.NewConn(conn), server), h}
}

// passive asks for a port by PASV or EPSV, and returns where the reply says that it is.
func (g *guest) passive(verb string) string {
	g.t.Helper()
	if verb == "EPSV" {
		var port int
		if _, err := fmt.Sscanf(g.say(229, "%s", verb), "Entering Extended Passive Mode (|||%d|)", &port); err != nil {
			g.t.Fatal(err)
		}
		return net.JoinHostPort(g.host, fmt.Sprint(port))
	}
	var a [4]byte
	var high, low uint16
	if _, err := fmt.Sscanf(g.say(227, "%s", verb), "Entering Passive Mode (%d,%d,%d,%d,%d,%d)", &a[0], &a[1], &a[2], &a[3], &high, &low); err != nil {
		g.t.Fatal(err)
	}
	return netip.AddrPortFrom(netip.AddrFrom4(a), high<<8|low).String()
}

// connect opens the data connection.
func (g *guest) connect(addr string) *net.TCPConn {
	g.t.Helper()
	conn, err := g.from.dial(addr)
	if err != nil {
		g.t.Fatalf("%s: %v", g.from.label, err)
	}
	return conn
}

// store sends a file over a data connection, and returns its sum.
func (g *guest) store(data io.WriteCloser, name string) string {
	g.t.Helper()
	g.say(150, "STOR %s", name)
	if _, err := io.CopyN(data, noise(name), mib); err != nil {
		g.t.Fatalf("%s: %v", name, err)
	}
	data.Close()
	g.expect(226)
	return sumOf(g.t, io.LimitReader(noise(name), mib))
}
