package tls

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// A tlsEnd is how a client ends the data connection of an upload without TLS's close_notify.
type tlsEnd struct {
	name string
	end  func(*tlsConn, tlsData)
}

var (
	tlsFIN = tlsEnd{"FIN", func(_ *tlsConn, d tlsData) { d.tcp.Close() }}
	tlsRST = tlsEnd{"RST", func(_ *tlsConn, d tlsData) { d.tcp.SetLinger(0); d.tcp.Close() }}
	// The kernel does this when a process ends.
	tlsBothFIN = tlsEnd{"FIN of both", func(w *tlsConn, d tlsData) { d.tcp.Close(); w.under.Close() }}
)

// A tlsCut is an upload that is cut.
type tlsCut struct {
	tlsEnd
	version   string
	over      bool // an object of that name exists
	amount    int64
	published bool
}

const tlsWhole = 22 * harness.MiB

func tlsCuts(amounts []int64, published bool, ends ...tlsEnd) map[string]tlsCut {
	cuts := make(map[string]tlsCut)
	for _, end := range ends {
		for version := range harness.TLSVersions {
			for _, amount := range amounts {
				for _, over := range []bool{false, true} {
					cuts[fmt.Sprintf("%s after %d bytes, %s, over %v", end.name, amount, version, over)] = tlsCut{end, version, over, amount, published}
				}
			}
		}
	}
	return cuts
}

// TestTLSCut: crypto/tls reports a FIN between two records as io.EOF. Such an upload must not be published, and can be resumed.
func TestTLSCut(t *testing.T) {
	server := real.MinIO(t)
	view := harness.NewBucket(t, server)
	b := harness.StartTLSServer(t, server)
	harness.SomeAtOnce(t, 4, tlsCuts([]int64{100 * harness.KiB, 20 * harness.MiB}, false, tlsFIN, tlsRST, tlsBothFIN), func(t *testing.T, name string, c tlsCut) {
		c.run(t, b, view, name)
	})
}

// TestTLSCutLenient: without close_notify, only the control connection tells a finished client from a killed one.
func TestTLSCutLenient(t *testing.T) {
	harness.Alone(t)
	server := real.MinIO(t)
	view := harness.NewBucket(t, server)
	b := harness.StartTLSServer(t, server, "--tls-upload-close", "lenient", "--commit-grace", "100ms")
	cuts := tlsCuts([]int64{100 * harness.KiB, 20 * harness.MiB}, true, tlsFIN)
	for name, c := range tlsCuts([]int64{100 * harness.KiB, 20 * harness.MiB}, false, tlsRST, tlsBothFIN) {
		cuts[name] = c
	}
	harness.SomeAtOnce(t, 4, cuts, func(t *testing.T, name string, c tlsCut) { c.run(t, b, view, name) })
}

func (c tlsCut) run(t *testing.T, b harness.TLSServer, view harness.Bucket, name string) {
	before := "absent"
	if c.over {
		before = harness.SumOf(t, strings.NewReader(harness.OldContent))
		view.Put(name, harness.OldContent)
	}
	w := connectTLS(t, b, c.version, nil)
	from := b.Log.Mark()
	data := w.open("STOR %s", name)
	if _, err := io.CopyN(data, harness.Noise(name), c.amount); err != nil {
		t.Fatal(err)
	}
	c.end(w, data)
	end := b.Log.AwaitFrom(t, from, "transfer", "name=/"+name)
	code, got := fmt.Sprint(end["code"]), view.Sum(name)
	if c.published {
		if want := harness.SumOf(t, io.LimitReader(harness.Noise(name), c.amount)); code != "226" || got != want {
			t.Errorf("it ends with %s, and S3 has %s, want 226 and %s", code, got, want)
		}
		return
	}
	if code != "426" || got != before {
		t.Errorf("it ends with %s (%v), and S3 has %s; want 426 and %s", code, end["err"], got, before)
	}
	c.resume(t, b, view, name)
}

// resume resumes the cut upload at the server's offset. A reset can lose much of the data that was sent.
func (c tlsCut) resume(t *testing.T, b harness.TLSServer, view harness.Bucket, name string) {
	t.Helper()
	w := connectTLS(t, b, c.version, nil)
	at := int64(0)
	if view.Uploads(name) > 0 {
		if at = w.Size(name); c.over {
			at = w.Offset(name)
		}
	}
	if at > c.amount || at == 0 && c.amount >= 20*harness.MiB || at < c.amount && c.amount >= 20*harness.MiB && c.tlsEnd.name == tlsFIN.name {
		t.Errorf("%d of %d bytes are safe", at, c.amount)
	}
	if at > 0 {
		w.Cmd(350, "REST %d", at)
	}
	data := w.open("STOR %s", name)
	rest := harness.Noise(name)
	io.CopyN(io.Discard, rest, at)
	if _, err := io.CopyN(data, rest, tlsWhole-at); err != nil {
		t.Fatal(err)
	}
	data.Close()
	w.Expect(226)
	if got, want := view.Sum(name), harness.SumOf(t, io.LimitReader(harness.Noise(name), tlsWhole)); got != want {
		t.Errorf("resumed at %d to %s, want %s", at, got, want)
	}
	w.Cmd(221, "QUIT")
}
