package ftp

import (
	"context"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// heldServer has a store that asks for the order some time after the data has ended, as s3fs does while S3 is asked.
func heldServer(late time.Duration, orders chan<- error) *Server {
	srv := &Server{}
	srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) {
		return proxy.Account{Store: putStore{newMemStore(), func(ctx context.Context, _ string, r io.Reader, _ proxy.Write) error {
			order := hold(r)
			io.ReadAll(r)
			<-time.After(late)
			err := order()
			orders <- err
			return err
		}}}, nil
	}
	return srv
}

func expect150(t *testing.T, r interface{ ReadString(byte) (string, error) }) {
	t.Helper()
	if text, err := r.ReadString('\n'); err != nil || text[:3] != "150" {
		t.Fatalf("%q, %v", text, err)
	}
}

// TestQuitOfAClientThatIsGone: a client that says NOOP and QUIT behind its data and then closes both connections has said its word.
func TestQuitOfAClientThatIsGone(t *testing.T) {
	orders := make(chan error, 1)
	control, replies, data := dialTCP(t, heldServer(100*time.Millisecond, orders))
	io.WriteString(control, "STOR a\r\n")
	expect150(t, replies)
	io.WriteString(data, "hello")
	data.Close()
	io.WriteString(control, "NOOP\r\nNOOP\r\nQUIT\r\n")
	control.Close()
	if err := <-orders; err != nil {
		t.Errorf("the upload is void: %v", err)
	}
}

// TestEndBehindTooManyCommands: the end of the control connection can be hidden behind commands that do not fit into the receive window.
func TestEndBehindTooManyCommands(t *testing.T) {
	orders := make(chan error, 1)
	control, replies, data := dialTCP(t, heldServer(0, orders))
	io.WriteString(control, "STOR a\r\n")
	expect150(t, replies)
	control.SetWriteDeadline(time.Now().Add(time.Second))
	control.Write(slices.Repeat([]byte("PWD\r\n"), 4<<20))
	io.WriteString(data, "half of it")
	data.Close() // as the kernel does with both when the client is killed
	control.Close()
	if err := <-orders; err == nil {
		t.Error("the upload of a killed client is published")
	}
}
