package ftp

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// fullServer returns a server with a store that fails with full after the first 1,000 bytes of a file.
func fullServer(full error) *Server {
	srv := &Server{}
	put := func(_ context.Context, _ string, r io.Reader, _ proxy.Write) error {
		if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
			return err
		}
		return full
	}
	srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) {
		return proxy.Account{Store: putStore{storetest.NewMemory(), put}}, nil
	}
	return srv
}

// When an upload was refused while the client was sending, the data connection was reset. The client reported that, and never
// read the reply. The test sends far more than the kernel's buffers.
func TestClientThatSendsGetsTheRefusal(t *testing.T) {
	for code, err := range map[int]error{
		452: syscall.ENOSPC, 552: syscall.EFBIG, 451: errors.New("down"), 450: reply{450, "Another session changes that name."},
	} {
		control, replies, data := dialTCP(t, fullServer(err))
		io.WriteString(control, "STOR a\r\n")
		sendAll(t, control, replies, data, data, code)
	}
}

func TestClientThatSendsOverTLSGetsTheRefusal(t *testing.T) {
	srv := fullServer(syscall.ENOSPC)
	srv.TLS = &TLS{Config: func() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{serverCertificate()}} }}
	config := &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(1), ServerName: "s"}
	raw, err := net.Dial("tcp", serveTCP(t, srv))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	io.WriteString(raw, "AUTH TLS\r\n")
	for in := bufio.NewReader(raw); ; {
		if text, err := in.ReadString('\n'); err != nil || strings.HasPrefix(text, "234") {
			break
		}
	}
	control := tls.Client(raw, config)
	replies := bufio.NewReader(control)
	io.WriteString(control, "USER test\r\nPASS secret\r\nPBSZ 0\r\nPROT P\r\nEPSV\r\n")
	conn, err := net.Dial("tcp", passivePort(t, replies))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	io.WriteString(control, "STOR a\r\n")
	sendAll(t, control, replies, conn, tls.Client(conn, config), 452)
}

// sendAll sends a whole file, and reads the refusal with this code only then. Meanwhile the session must answer other commands. In the
// end the data connection must be reset.
func sendAll(t *testing.T, control net.Conn, replies *bufio.Reader, conn, data net.Conn, code int) {
	t.Helper()
	expect := func(code int) {
		t.Helper()
		for {
			text, err := replies.ReadString('\n')
			if err != nil || strings.HasPrefix(text, fmt.Sprint(code)) {
				if err != nil {
					t.Errorf("%v instead of the reply %d", err, code)
				}
				return
			}
			if !strings.HasPrefix(text, "1") {
				t.Errorf("%q, want %d", text, code)
				return
			}
		}
	}
	half := make([]byte, 16<<20)
	if _, err := data.Write(half); err != nil {
		t.Errorf("%d: %v while sending the first half", code, err)
	}
	expect(code)
	io.WriteString(control, "NOOP\r\n")
	expect(200)
	if _, err := data.Write(half); err != nil {
		t.Errorf("%d: %v while sending after the reply", code, err)
	}
	conn.(*net.TCPConn).CloseWrite()
	if _, err := io.Copy(io.Discard, conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%d: the data connection ends with %v, want a reset", code, err)
	}
}

// Reading and discarding the rest of a refused upload is limited in bytes, time and connections.
func TestDiscardIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			background lingering
			sent       int64
			turns      = make(chan struct{}, maxDiscards)
			far        []net.Conn
		)
		open := func() *dataConn {
			near, client := net.Pipe()
			far = append(far, client)
			return newDataConn(t.Context(), near, time.Minute, new(atomic.Int64))
		}
		begin := time.Now()
		for i := range maxDiscards + 1 {
			if d := open(); d.discard(&background, turns) != (i < maxDiscards) {
				t.Errorf("discard of connection %d: want that exactly %d are accepted", i+1, maxDiscards)
			}
		}
		block := make([]byte, 1<<20)
		for {
			n, err := far[0].Write(block)
			if sent += int64(n); err != nil {
				break
			}
		}
		background.Wait()
		if sent != maxDiscarded || time.Since(begin) != lingerTimeout {
			t.Errorf("%d bytes were read in %v, want %d in %v", sent, time.Since(begin), int64(maxDiscarded), lingerTimeout)
		}
		if !open().discard(&background, turns) {
			t.Error("a further connection is refused after the others have ended")
		}
		far[len(far)-1].Close()
		background.Wait()
		for _, c := range far {
			c.Close()
		}
	})
}
