package netns

import (
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// farLink joins two hosts with a delay in each direction. It carries the packets itself, since not every kernel has netem. On each
// host the interface is tun0.
func farLink(a *host, addrsA string, b *host, addrsB string, delay time.Duration) {
	a.t.Helper()
	near, far := a.tunnel(addrsA), b.tunnel(addrsB)
	go carryPackets(near, far, delay)
	go carryPackets(far, near, delay)
}

// tunnel makes the interface tun0, and returns the file to read and write its packets. It is closed when the test ends.
func (h *host) tunnel(addr string) *os.File {
	h.t.Helper()
	var file *os.File
	err := h.within(func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		request, err := unix.NewIfreq("tun0")
		if err == nil {
			request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
		}
		if err != nil {
			unix.Close(fd)
			return err
		}
		file = os.NewFile(uintptr(fd), "tun0")
		return nil
	})
	if err != nil {
		h.t.Skipf("no tunnels are to be had on this system: %v", err)
	}
	h.t.Cleanup(func() { file.Close() })
	h.ip("address add " + addr + " dev tun0")
	h.ip("link set tun0 up")
	return file
}

// carryPackets carries packets from one tunnel to another, in order and each after the delay, until one of them is closed.
func carryPackets(from, to *os.File, delay time.Duration) {
	type packet struct {
		content []byte
		due     time.Time
	}
	onTheWay := make(chan packet, 10_000)
	go func() {
		defer close(onTheWay)
		for {
			buf := make([]byte, 2000)
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			onTheWay <- packet{buf[:n], time.Now().Add(delay)}
		}
	}()
	for p := range onTheWay {
		<-time.After(time.Until(p.due))
		to.Write(p.content) // a packet that the host refuses is lost, as in a network
	}
}

// TestFarLink: a round trip takes at least two delays.
func TestFarLink(t *testing.T) {
	a, b := newHost(t, "a"), newHost(t, "b")
	farLink(a, "10.0.0.1/24", b, "10.0.0.2/24", 10*time.Millisecond)
	addr := b.listen("10.0.0.2:0", func(conn *net.TCPConn) { conn.Close() })
	begin := time.Now()
	if _, err := a.dial(addr); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < 20*time.Millisecond {
		t.Errorf("a round trip takes %v", took)
	}
}
