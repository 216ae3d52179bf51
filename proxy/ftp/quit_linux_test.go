package ftp

import (
	"context"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// slowCommitServer returns a server with a store that calls Commit some time after the end of the data, as s3fs does after requests to S3.
// It sends the results of Commit to commits.
func slowCommitServer(delay time.Duration, commits chan<- error) *Server {
	srv := &Server{}
	srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) {
		return proxy.Account{Store: putStore{storetest.NewMemory(), func(ctx context.Context, _ string, r io.Reader, _ proxy.Write) error {
			commit := holdCommit(r)
			io.ReadAll(r)
			<-time.After(delay)
			err := commit()
			commits <- err
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

// A client that sends QUIT after its data and then closes both connections is done, not killed: its upload is published.
func TestUploadOfClientThatQuitAndDisconnected(t *testing.T) {
	commits := make(chan error, 1)
	control, replies, data := dialTCP(t, slowCommitServer(100*time.Millisecond, commits))
	io.WriteString(control, "STOR a\r\n")
	expect150(t, replies)
	io.WriteString(data, "hello")
	data.Close()
	io.WriteString(control, "NOOP\r\nNOOP\r\nQUIT\r\n")
	control.Close()
	if err := <-commits; err != nil {
		t.Errorf("the upload is refused: %v", err)
	}
}

// If the client has sent more commands than fit into the receive window, the end of the control connection has not arrived. The upload
// must be refused nevertheless.
func TestKilledClientWithFullReceiveWindow(t *testing.T) {
	commits := make(chan error, 1)
	control, replies, data := dialTCP(t, slowCommitServer(0, commits))
	io.WriteString(control, "STOR a\r\n")
	expect150(t, replies)
	control.SetWriteDeadline(time.Now().Add(time.Second))
	control.Write(slices.Repeat([]byte("PWD\r\n"), 4<<20))
	io.WriteString(data, "half of it")
	data.Close() // as the kernel does with both when the client is killed
	control.Close()
	if err := <-commits; err == nil {
		t.Error("the upload of a killed client is published")
	}
}
