package netns

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// TestStranger: a host at another address connects a hundred times to a client's passive port: before the client sends its transfer
// command, while the server waits for the data connection, and during the transfer.
func TestStranger(t *testing.T) {
	s := newStorage(t)
	client, stranger, server := newHost(t, "client"), newHost(t, "stranger"), newHost(t, "server")
	link(client, "10.1.0.2/24", server, "10.1.0.1/24")
	link(stranger, "10.2.0.2/24", server, "10.2.0.1/24")
	stranger.ip("route add 10.1.0.0/24 via 10.2.0.1")
	const addr = "10.1.0.1:21"
	s.bridge(server)
	for _, verb := range []string{"PASV", "EPSV"} {
		g := client.login(addr)
		at := g.passive(verb)
		if n := stranger.probePorts(at, 100, "the stranger's\n"); n != 100 {
			t.Errorf("%d of 100 find the port open", n)
		}
		s.holds(t, "before"+verb, g.store(g.connect(at), "before"+verb))

		at = g.passive(verb)
		if err := g.Conn.PrintfLine("STOR while%s", verb); err != nil {
			t.Fatal(err)
		}
		var race sync.WaitGroup
		race.Go(func() { stranger.probePorts(at, 100, "the stranger's\n") })
		data := g.connect(at)
		race.Wait()
		g.Expect(150)
		if _, err := io.WriteString(data, "the client's\n"); err != nil {
			t.Fatal(err)
		}
		if n := stranger.probePorts(at, 100, "the stranger's\n"); n != 0 {
			t.Errorf("%d of 100 find the port open that has its connection", n)
		}
		data.Close()
		g.Expect(226)
		s.holds(t, "while"+verb, harness.SumOf(t, strings.NewReader("the client's\n")))
	}
}

// probePorts is probePort n times concurrently. It returns how often the port was open.
func (h *host) probePorts(at string, times int, says string) int {
	var all sync.WaitGroup
	var open atomic.Int32
	for range times {
		all.Go(func() {
			if h.probePort(at, says) {
				open.Add(1)
			}
		})
	}
	all.Wait()
	return int(open.Load())
}

// probePort connects to a port that is not for this host, and checks that the connection is reset without data, whatever it sends. It
// returns whether the port was open.
func (h *host) probePort(at, says string) bool {
	h.t.Helper()
	conn, err := h.dial(at)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return false
	case errors.Is(err, syscall.ECONNRESET):
		return true // before the client has looked
	case err != nil:
		h.t.Errorf("%s does not get to %s: %v", h.label, at, err)
		return false
	}
	defer conn.Close()
	_, failed := io.WriteString(conn, says) // a reset is reported once: by this write or by the read
	got, err := io.ReadAll(conn)
	if err = cmp.Or(failed, err); !errors.Is(err, syscall.ECONNRESET) || len(got) > 0 {
		h.t.Errorf("%s says %q at %s and is given %q, %v; want a reset", h.label, says, at, got, err)
	}
	return true
}

// TestStrangerWithLogin: two clients at two addresses wait on one port, and connect in either order.
func TestStrangerWithLogin(t *testing.T) {
	s := newStorage(t)
	client, stranger, server := newHost(t, "client"), newHost(t, "stranger"), newHost(t, "server")
	link(client, "10.1.0.2/24", server, "10.1.0.1/24")
	link(stranger, "10.2.0.2/24", server, "10.2.0.1/24")
	stranger.ip("route add 10.1.0.0/24 via 10.2.0.1")
	s.bridge(server, "--passive-ports", "60000")
	one, two := client.login("10.1.0.1:21"), stranger.login("10.1.0.1:21")
	for range 10 {
		s.Empty("")
		at, same := one.passive("PASV"), two.passive("EPSV")
		if at != same {
			t.Fatalf("%s and %s, want one port", at, same)
		}
		first, second := two.connect(at), one.connect(at)
		s.holds(t, "one", one.store(second, "one"))
		s.holds(t, "two", two.store(first, "two"))

		at, same = two.passive("PASV"), one.passive("EPSV")
		if at != same {
			t.Fatalf("%s and %s, want one port", at, same)
		}
		data := [2]io.ReadCloser{two.connect(at), one.connect(at)}
		for i, g := range []*bareClient{two, one} {
			name := []string{"two", "one"}[i]
			g.Cmd(150, "RETR %s", name)
			got, err := io.ReadAll(data[i])
			g.Expect(226)
			if want, _ := io.ReadAll(io.LimitReader(harness.Noise(name), harness.MiB)); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s gets %d bytes that are not its own, %v", name, len(got), err)
			}
		}
	}
}
