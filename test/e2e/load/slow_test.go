package load

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestSlowUploads runs 200 slow uploads at a time, together twelve times the memory budget. Each must end, with an exact file or with
// 452.
func TestSlowUploads(t *testing.T) {
	if testing.Short() {
		t.Skip("moves some GiB")
	}
	const uploads, memory = 200, 128
	server := real.MinIO(t)
	view := harness.NewBucket(t, server)
	b := harness.StartServer(t, server, "--memory", fmt.Sprint(memory, "MiB"), "--max-sessions-per-ip", "1000", "--max-sessions-per-user", "1000")
	random := rand.New(rand.NewPCG(2, 200))
	sums := make([]string, uploads)
	whole := make([]bool, uploads)
	var all sync.WaitGroup
	for i := range uploads {
		size := 6*harness.MiB + random.Int64N(6*harness.MiB+1)
		w := b.Connect(t)
		all.Go(func() {
			name := fmt.Sprint("slow-", i)
			sums[i] = harness.SumOf(t, io.LimitReader(harness.Noise(name), size))
			whole[i] = uploadSlowly(w, name, size)
		})
	}
	all.Wait()
	refused := 0
	for i, want := range sums {
		if !whole[i] {
			want = "absent"
			refused++
		}
		if got := view.Sum(fmt.Sprint("slow-", i)); got != want {
			t.Errorf("upload %d: S3 has %s, want %s", i, got, want)
		}
	}
	peak := b.Peak(t)
	t.Logf("%d of %d uploads got 452; the program took %.0f MiB at most", refused, uploads, peak)
	if peak > memory+64 {
		t.Errorf("the program took %.0f MiB, with %d MiB of buffers", peak, memory)
	}
	if refused > uploads/2 {
		t.Errorf("%d of %d uploads found no memory", refused, uploads)
	}
}

// uploadSlowly uploads a file in small pieces, with a pause after each, and reports whether it was stored.
func uploadSlowly(w *harness.Client, name string, size int64) bool {
	data := openOrRefused(w, name)
	if data == nil {
		return false
	}
	defer data.Close()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	content := io.LimitReader(harness.Noise(name), size)
	for {
		n, err := io.CopyN(data, content, 32*harness.KiB)
		if err != nil && n == 0 {
			break // all is sent, or the server has ended it
		}
		<-tick.C
	}
	data.Close()
	code, text, err := w.Conn.ReadResponse(0)
	if code != 226 && code != 452 {
		w.T.Errorf("%s: %d %s, %v", name, code, text, err)
	}
	return code == 226
}

// openOrRefused is open for a transfer; it returns nil if that is refused with 452.
func openOrRefused(w *harness.Client, name string) net.Conn {
	var port int
	w.Conn.PrintfLine("EPSV")
	_, text, err := w.Conn.ReadResponse(229)
	if _, bad := fmt.Sscanf(text, "Entering Extended Passive Mode (|||%d|)", &port); err != nil || bad != nil {
		w.T.Error(text, err, bad)
		return nil
	}
	data, err := net.Dial("tcp", net.JoinHostPort(w.Host, fmt.Sprint(port)))
	if err != nil {
		w.T.Error(err)
		return nil
	}
	w.Conn.PrintfLine("STOR %s", name)
	if code, text, err := w.Conn.ReadResponse(0); code != 150 {
		data.Close()
		if code != 452 {
			w.T.Errorf("%s: %d %s, %v", name, code, text, err)
		}
		return nil
	}
	return data
}
