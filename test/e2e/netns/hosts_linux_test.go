package netns

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"golang.org/x/sys/unix"

	"github.com/s3ftpd/s3ftpd/test/real"
)

func TestMain(m *testing.M) { harness.Main(m) }

// A host is a network namespace of a test. Its listeners can be reached only from other hosts, over the links between them.
type host struct {
	t     testing.TB
	label string
	name  string // of the namespace
}

var hosts atomic.Int32 // made so far

// newHost makes a host without a link, and removes it when the test ends. The test is skipped if the system does not allow it.
func newHost(t testing.TB, label string) *host {
	t.Helper()
	for _, tool := range []string{"ip", "nft"} {
		real.Client(t, tool)
	}
	h := &host{t, label, fmt.Sprintf("s3ftpd-%d-%d-%s", os.Getpid(), hosts.Add(1), label)}
	if out, err := harness.Try(t, "", "", "ip", "netns", "add", h.name); err != nil {
		t.Skipf("no network namespaces are to be had by user %d of this system: %v: %s", os.Getuid(), err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("ip", "netns", "del", h.name).CombinedOutput(); err != nil {
			t.Errorf("%s stays: %v: %s", h.name, err, out)
		}
	})
	nat := "table ip probe {\n chain c {\n type nat hook postrouting priority srcnat\n masquerade\n }\n}\n"
	if out, err := h.try("", nat, "nft", "--check", "-f", "-"); err != nil {
		t.Skipf("this system has no nftables that translate addresses: %v: %s", err, out)
	}
	h.ip("link set lo up")
	return h
}

// in returns the host for a subtest; its connections and listeners are closed when the subtest ends.
func (h *host) in(t testing.TB) *host {
	c := *h
	c.t = t
	return &c
}

// try runs a command on the host.
func (h *host) try(dir, stdin string, args ...string) (string, error) {
	h.t.Helper()
	return harness.Try(h.t, dir, stdin, append([]string{"ip", "netns", "exec", h.name}, args...)...)
}

func (h *host) run(dir, stdin string, args ...string) string {
	h.t.Helper()
	return harness.Run(h.t, dir, stdin, append([]string{"ip", "netns", "exec", h.name}, args...)...)
}

// ip configures the network of the host.
func (h *host) ip(command string) {
	h.t.Helper()
	harness.Run(h.t, "", "", append([]string{"ip", "-n", h.name}, strings.Fields(command)...)...)
}

// nft sets the rules of a table for incoming, outgoing and forwarded packets of the host.
func (h *host) nft(rules string) {
	h.t.Helper()
	h.run("", "table inet test {\n"+rules+"\n}\n", "nft", "-f", "-")
}

// routes enables forwarding on the host.
func (h *host) routes() {
	h.t.Helper()
	h.run("", "1", "tee", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding")
}

// link joins two hosts. Their interfaces get addresses such as "10.0.0.1/24 fd00::1/64".
// On each the interface has the name of the other.
func link(a *host, addrsA string, b *host, addrsB string) {
	a.t.Helper()
	harness.Run(a.t, "", "", "ip", "link", "add", "name", b.label, "netns", a.name, "type", "veth", "peer", "name", a.label, "netns", b.name)
	a.joins(b, addrsA)
	b.joins(a, addrsB)
}

func (h *host) joins(other *host, addrs string) {
	h.t.Helper()
	h.ip("link set " + other.label + " up")
	for _, addr := range strings.Fields(addrs) {
		option := ""
		if strings.Contains(addr, ":") {
			option = " nodad" // duplicate address detection takes time
		}
		h.ip("address add " + addr + " dev " + other.label + option)
	}
}

// within calls f on a thread in the host's namespace. Sockets that f makes stay in it.
func (h *host) within(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		namespace, err := os.Open(filepath.Join("/var/run/netns", h.name))
		if err == nil {
			defer namespace.Close()
			err = unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// dial connects from the host to a literal IP address. The connection has a deadline of two minutes, and is closed when the test ends.
func (h *host) dial(addr string) (conn *net.TCPConn, err error) {
	err = h.within(func() error {
		c, err := net.DialTimeout("tcp", addr, 10*time.Second)
		if err == nil {
			conn = c.(*net.TCPConn)
			conn.SetDeadline(time.Now().Add(2 * time.Minute))
			h.t.Cleanup(func() { c.Close() })
		}
		return err
	})
	return conn, err
}

// listen accepts and serves connections to the host until the test ends.
func (h *host) listen(addr string, serve func(*net.TCPConn)) string {
	h.t.Helper()
	var l net.Listener
	err := h.within(func() (err error) {
		l, err = net.Listen("tcp", addr)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn.(*net.TCPConn))
		}
	}()
	return l.Addr().String()
}
