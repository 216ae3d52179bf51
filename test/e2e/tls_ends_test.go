package e2e

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestTLSUploadNoRead: many devices send a file and close, without ever reading the data connection. What the server had sent there
// would reset it, and the reset would destroy the end of the file.
func TestTLSUploadNoRead(t *testing.T) {
	server := real.MinIO(t)
	view := newBucket(t, server)
	b := startTLSBridge(t, server)
	atOnce(t, map[string]bool{"resumed": true, "not resumed": false}, func(t *testing.T, place string, resumes bool) {
		w := b.connectTLS(t, "1.3", &ticketBox{show: resumes})
		for i := range 60 {
			name := fmt.Sprintf("%s/%d", place, i)
			size := int64(i*i) * 300 // up to a MiB
			data := w.open("STOR %s", name)
			if data.ConnectionState().DidResume != resumes {
				t.Fatalf("resumed: %v", !resumes)
			}
			if _, err := io.CopyN(data, noise(name), size); err != nil {
				t.Fatal(err)
			}
			data.Close()
			w.expect(226)
			if got, want := view.sum(name), sumOf(t, io.LimitReader(noise(name), size)); got != want {
				t.Errorf("%s: S3 has %s, want %s", name, got, want)
			}
		}
		w.say(221, "QUIT")
	})
}

// TestTLSDownloadEnds: a download ends with close_notify, and then with FIN; one that is aborted has no good end.
func TestTLSDownloadEnds(t *testing.T) {
	server := real.MinIO(t)
	view := newBucket(t, server)
	b := startTLSBridge(t, server)
	for version := range tlsVersions {
		t.Run(version, func(t *testing.T) {
			w := b.connectTLS(t, version, &ticketBox{show: true})
			for _, size := range []int64{0, 1, 20 * mib} {
				name := fmt.Sprint(version, "-", size)
				text := new(strings.Builder)
				io.CopyN(text, noise(name), size)
				view.put(name, text.String())
				data := w.open("RETR %s", name)
				got := sumOf(t, data) // as far as close_notify
				if want := sumOf(t, strings.NewReader(text.String())); got != want {
					t.Errorf("%s: %s came, want %s", name, got, want)
				}
				if n, err := data.tcp.Read(make([]byte, 1)); n > 0 || err != io.EOF {
					t.Errorf("%s: after close_notify: %d bytes, %v", name, n, err)
				}
				data.Close()
				w.expect(226)
			}
			data := w.open("RETR %s-%d", version, 20*mib)
			io.CopyN(io.Discard, data, mib)
			w.say(426, "ABOR")
			w.expect(226)
			if n, err := io.Copy(io.Discard, data); err == nil {
				t.Errorf("an aborted download ends well, after %d bytes", n)
			}
		})
	}
}

// TestTLSDownloadNoEnd: clients that know the size of a file close as soon as they have it, and leave the end unread, which resets
// the connection. They have all there is, and the reply has to say so.
func TestTLSDownloadNoEnd(t *testing.T) {
	server := real.MinIO(t)
	view := newBucket(t, server)
	b := startTLSBridge(t, server)
	for version := range tlsVersions {
		t.Run(version, func(t *testing.T) {
			w := b.connectTLS(t, version, &ticketBox{show: true})
			for _, content := range []string{"", "x"} {
				name := version + "-" + content
				view.put(name, content)
				for range 60 {
					data := w.open("RETR %s", name)
					if _, err := io.ReadFull(data, make([]byte, len(content))); err != nil {
						t.Fatal(err)
					}
					data.tcp.Close()
					w.expect(226)
				}
			}
		})
	}
}
