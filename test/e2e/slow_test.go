package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestSlowUploads runs 200 uploads at a time that all are slow, and that together are twelve times the memory there is for
// them. Every one ends, with the file whole or with the word that there was no memory.
func TestSlowUploads(t *testing.T) {
	if testing.Short() {
		t.Skip("moves some GiB")
	}
	const uploads, memory = 200, 128
	server := real.MinIO(t)
	view := newBucket(t, server)
	b := startBridge(t, server, "--memory", fmt.Sprint(memory, "MiB"), "--max-sessions-per-ip", "1000", "--max-sessions-per-user", "1000")
	random := rand.New(rand.NewPCG(2, 200))
	sums := make([]string, uploads)
	whole := make([]bool, uploads)
	var all sync.WaitGroup
	for i := range uploads {
		size := 6*mib + random.Int64N(6*mib+1)
		w := b.connect(t)
		all.Go(func() {
			name := fmt.Sprint("slow-", i)
			sums[i] = sumOf(t, io.LimitReader(noise(name), size))
			whole[i] = w.dribble(name, size)
		})
	}
	all.Wait()
	refused := 0
	for i, want := range sums {
		if !whole[i] {
			want = "absent"
			refused++
		}
		if got := view.sum(fmt.Sprint("slow-", i)); got != want {
			t.Errorf("upload %d: S3 has %s, want %s", i, got, want)
		}
	}
	peak := b.peak(t)
	t.Logf("%d of %d uploads got 452; the program took %.0f MiB at most", refused, uploads, peak)
	if peak > memory+64 {
		t.Errorf("the program took %.0f MiB, with %d MiB of buffers", peak, memory)
	}
	if refused > uploads/2 {
		t.Errorf("%d of %d uploads found no memory", refused, uploads)
	}
}

// dribble uploads a file in small pieces, with a pause after each, and reports whether it was stored.
func (w *wire) dribble(name string, size int64) bool {
	data := w.slowly(name)
	if data == nil {
		return false
	}
	defer data.Close()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	content := io.LimitReader(noise(name), size)
	for {
		n, err := io.CopyN(data, content, 32*kib)
		if err != nil && n == 0 {
			break // all is sent, or the bridge has ended it
		}
		<-tick.C
	}
	data.Close()
	code, text, err := w.conn.ReadResponse(0)
	if code != 226 && code != 452 {
		w.t.Errorf("%s: %d %s, %v", name, code, text, err)
	}
	return code == 226
}

// slowly is open for a transfer that may be refused with 452, and then nil.
func (w *wire) slowly(name string) net.Conn {
	var port int
	w.conn.PrintfLine("EPSV")
	_, text, err := w.conn.ReadResponse(229)
	if _, bad := fmt.Sscanf(text, "Entering Extended Passive Mode (|||%d|)", &port); err != nil || bad != nil {
		w.t.Error(text, err, bad)
		return nil
	}
	data, err := net.Dial("tcp", net.JoinHostPort(w.host, fmt.Sprint(port)))
	if err != nil {
		w.t.Error(err)
		return nil
	}
	w.conn.PrintfLine("STOR %s", name)
	if code, text, err := w.conn.ReadResponse(0); code != 150 {
		data.Close()
		if code != 452 {
			w.t.Errorf("%s: %d %s, %v", name, code, text, err)
		}
		return nil
	}
	return data
}

// peak returns the most memory that the bridge has had, in MiB.
func (b *bridge) peak(t testing.TB) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.cmd.Process.Pid))
	if err != nil {
		t.Skip(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	var kb float64
	fmt.Sscan(rest, &kb)
	return kb / 1024
}
