package proxy

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"
)

// TestDownloadBesideJunk: what the client has sent on the data connection of a download, and nobody reads, does not make
// the end of it a reset, which would destroy what is on its way.
func TestDownloadBesideJunk(t *testing.T) {
	store := newMemStore()
	store.files["/a"] = memFile{"/a", bytes.Repeat([]byte("x"), 100<<10), time.Now()}
	srv := &Server{Log: slog.New(slog.DiscardHandler)}
	srv.Login = func(context.Context, Attempt) (Store, error) { return store, nil }
	control, err := net.Dial("tcp", serveTCP(t, srv))
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	replies := bufio.NewReader(control)
	io.WriteString(control, "USER test\r\nPASS secret\r\nEPSV\r\n")
	data, err := net.Dial("tcp", passivePort(t, replies))
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
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
