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
)

// fullServer has a store that is full after the first bytes of a file, or says so with another error.
func fullServer(full error) *Server {
	srv := &Server{}
	put := func(_ context.Context, _ string, r io.Reader, _ proxy.Write) error {
		if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
			return err
		}
		return full
	}
	srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) {
		return proxy.Account{Store: putStore{newMemStore(), put}}, nil
	}
	return srv
}

// A client that was still sending when its upload was refused met a reset, reported that, and never saw the reply. It sends
// far more than the kernel keeps for a connection.
func TestReplyToAClientThatSends(t *testing.T) {
	for code, err := range map[int]error{
		452: syscall.ENOSPC, 552: syscall.EFBIG, 451: errors.New("down"), 450: reply{450, "Another session changes that name."},
	} {
		control, replies, data := dialTCP(t, fullServer(err))
		io.WriteString(control, "STOR a\r\n")
		sendAll(t, control, replies, data, data, code)
	}
}

// So it is under TLS.
func TestReplyToAClientThatSendsOverTLS(t *testing.T) {
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

// sendAll sends a file to the last byte, in spite of the reply that refuses it, which it reads then. The session does not wait for
// that, and the data connection does not end as one does that is well.
func sendAll(t *testing.T, control net.Conn, replies *bufio.Reader, conn, data net.Conn, code int) {
	t.Helper()
	expect := func(code int) {
		t.Helper()
		for {
			text, err := replies.ReadString('\n')
			if err != nil || strings.HasPrefix(text, fmt.Sprint(code)) {
				if err != nil {
					t.Errorf("%v in place of %d", err, code)
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
		t.Errorf("%d: %v in the middle of the file", code, err)
	}
	expect(code)
	io.WriteString(control, "NOOP\r\n")
	expect(200)
	if _, err := data.Write(half); err != nil {
		t.Errorf("%d: %v behind the reply", code, err)
	}
	conn.(*net.TCPConn).CloseWrite()
	if _, err := io.Copy(io.Discard, conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%d: the data connection ends with %v", code, err)
	}
}

// A client that sends without end costs no more than so many bytes, so much time, and so many connections.
func TestDiscardHasBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			tails tails
			sent  int64
			turns = make(chan struct{}, mostDiscardings)
			far   []net.Conn
		)
		open := func() *dataConn {
			near, client := net.Pipe()
			far = append(far, client)
			return newDataConn(t.Context(), near, time.Minute, new(atomic.Int64))
		}
		begin := time.Now()
		for i := range mostDiscardings + 1 {
			if d := open(); d.discard(&tails, turns) != (i < mostDiscardings) {
				t.Errorf("connection %d", i+1)
			}
		}
		block := make([]byte, 1<<20)
		for {
			n, err := far[0].Write(block)
			if sent += int64(n); err != nil {
				break
			}
		}
		tails.Wait()
		if sent != mostDiscarded || time.Since(begin) != lastWord {
			t.Errorf("%d bytes were taken, %v long", sent, time.Since(begin))
		}
		if !open().discard(&tails, turns) {
			t.Error("no place came free")
		}
		far[len(far)-1].Close()
		tails.Wait()
		for _, c := range far {
			c.Close()
		}
	})
}
