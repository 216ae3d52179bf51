package tls

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestTLSUploadNoRead: many devices send a file and close without reading the data connection. Unread data of the server would reset
// it, and the reset would destroy the end of the file.
func TestTLSUploadNoRead(t *testing.T) {
	server := real.MinIO(t)
	view := harness.NewBucket(t, server)
	b := harness.StartTLSServer(t, server)
	harness.AtOnce(t, map[string]bool{"resumed": true, "not resumed": false}, func(t *testing.T, place string, resumes bool) {
		w := connectTLS(t, b, "1.3", &ticketCache{show: resumes})
		for i := range 60 {
			name := fmt.Sprintf("%s/%d", place, i)
			size := int64(i*i) * 300 // up to a MiB
			data := w.open("STOR %s", name)
			if data.ConnectionState().DidResume != resumes {
				t.Fatalf("resumed: %v", !resumes)
			}
			if _, err := io.CopyN(data, harness.Noise(name), size); err != nil {
				t.Fatal(err)
			}
			data.Close()
			w.Expect(226)
			if got, want := view.Sum(name), harness.SumOf(t, io.LimitReader(harness.Noise(name), size)); got != want {
				t.Errorf("%s: S3 has %s, want %s", name, got, want)
			}
		}
		w.Cmd(221, "QUIT")
	})
}

// TestTLSDownloadEnds: a download ends with close_notify and then FIN; an aborted one with neither.
func TestTLSDownloadEnds(t *testing.T) {
	server := real.MinIO(t)
	view := harness.NewBucket(t, server)
	b := harness.StartTLSServer(t, server)
	for version := range harness.TLSVersions {
		t.Run(version, func(t *testing.T) {
			w := connectTLS(t, b, version, &ticketCache{show: true})
			for _, size := range []int64{0, 1, 20 * harness.MiB} {
				name := fmt.Sprint(version, "-", size)
				text := new(strings.Builder)
				io.CopyN(text, harness.Noise(name), size)
				view.Put(name, text.String())
				data := w.open("RETR %s", name)
				got := harness.SumOf(t, data) // up to close_notify
				if want := harness.SumOf(t, strings.NewReader(text.String())); got != want {
					t.Errorf("%s: %s came, want %s", name, got, want)
				}
				if n, err := data.tcp.Read(make([]byte, 1)); n > 0 || err != io.EOF {
					t.Errorf("%s: after close_notify: %d bytes, %v", name, n, err)
				}
				data.Close()
				w.Expect(226)
			}
			data := w.open("RETR %s-%d", version, 20*harness.MiB)
			io.CopyN(io.Discard, data, harness.MiB)
			w.Cmd(426, "ABOR")
			w.Expect(226)
			if n, err := io.Copy(io.Discard, data); err == nil {
				t.Errorf("an aborted download ends well, after %d bytes", n)
			}
		})
	}
}

// TestTLSDownloadNoEnd: clients that know the size of a file close as soon as they have it, and leave close_notify unread, which
// resets the connection. They have the whole file, so the reply must be 226.
func TestTLSDownloadNoEnd(t *testing.T) {
	server := real.MinIO(t)
	view := harness.NewBucket(t, server)
	b := harness.StartTLSServer(t, server)
	for version := range harness.TLSVersions {
		t.Run(version, func(t *testing.T) {
			w := connectTLS(t, b, version, &ticketCache{show: true})
			for _, content := range []string{"", "x"} {
				name := version + "-" + content
				view.Put(name, content)
				for range 60 {
					data := w.open("RETR %s", name)
					if _, err := io.ReadFull(data, make([]byte, len(content))); err != nil {
						t.Fatal(err)
					}
					data.tcp.Close()
					w.Expect(226)
				}
			}
		})
	}
}
