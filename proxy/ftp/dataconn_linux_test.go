package ftp

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// A client that sends bytes on the data connection of a download must still get all of the file. If the server closes a connection
// with unread bytes, the kernel resets it, and data in flight is lost.
func TestDownloadWithUnreadBytesOfClient(t *testing.T) {
	store := storetest.NewMemory()
	store.Files["/a"] = storetest.MemoryFile{Name: "/a", Data: bytes.Repeat([]byte("x"), 100<<10), Time: time.Now()}
	srv := &Server{}
	srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) { return proxy.Account{Store: store}, nil }
	control, replies, data := dialTCP(t, srv)
	io.WriteString(data, "junk")
	io.WriteString(control, "RETR a\r\n")
	for _, want := range []string{"150 ", "226 "} {
		if text, err := replies.ReadString('\n'); !strings.HasPrefix(text, want) {
			t.Fatalf("%q, %v", text, err)
		}
	}
	io.WriteString(data, "more")
	if got, err := io.ReadAll(data); len(got) != 100<<10 || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// lastByte is the time of arrival, also if a busy server reads the byte later.
func TestLastByteIsNotLate(t *testing.T) {
	for range 50 {
		client, server := tcpPair(t)
		conn := newDataConn(t.Context(), server, time.Minute, new(atomic.Int64))
		io.WriteString(client, "x")
		sent := time.Now()
		<-time.After(time.Millisecond) // the server's delay
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if late := conn.lastByte().Sub(sent); late > 0 {
			t.Fatalf("lastByte is %v after the byte was sent", late)
		}
	}
}
