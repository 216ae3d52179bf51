package real

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"
)

// TestSlow checks that data and its end arrive in both directions, not before the delay and the rate allow.
func TestSlow(t *testing.T) {
	const size, rate, rtt = 2 << 20, 20 << 20, 40 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		got, err := io.ReadAll(c)
		if err == nil {
			c.Write(got)
		}
	}()
	content := make([]byte, size)
	rand.NewChaCha8([32]byte{}).Read(content)
	begin := time.Now()
	c, err := net.Dial("tcp", Slow(t, l.Addr().String(), rtt, rate))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() {
		c.Write(content)
		c.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes with SHA-256 %x, %v", len(got), sha256.Sum256(got), err)
	}
	// One round trip for the data and one for connecting; each direction at the rate.
	if least := 2*rtt + 2*size*time.Second/rate; time.Since(begin) < least {
		t.Errorf("it took %v, and cannot take less than %v", time.Since(begin), least)
	}
}

// TestSlowReset checks that connections are reset if the target resets them or does not listen.
func TestSlowReset(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			io.ReadFull(c, make([]byte, 1))
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
	}()
	for name, target := range map[string]string{"resets": l.Addr().String(), "is not there": FreeAddr(t)} {
		c, err := net.Dial("tcp", Slow(t, target, 10*time.Millisecond, 0))
		if err != nil {
			continue // the reset came during the dial
		}
		defer c.Close()
		c.Write([]byte("x"))
		if n, err := c.Read(make([]byte, 1)); err == nil || err == io.EOF {
			t.Errorf("a target that %s: %d bytes, %v; want a reset", name, n, err)
		}
	}
}
