package proxy

import (
	"bytes"
	"context"
	"io"
	"log/slog"
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
