package ftp

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/grant"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// rateKiB is the rate of the transfers in rateInBubble, in KiB a second.
const rateKiB = 1

// rateInBubble is inBubble for a user whose uploads, and whose downloads, move at rateKiB. The stall timeout is 10 s. The file old has
// 64 KiB.
func rateInBubble(t *testing.T, f func(*script)) {
	inBubble(t, func(s *script) {
		rate := new(grant.Rate)
		rate.Set(rateKiB<<10, rateKiB<<10)
		s.srv.StallTimeout = 10 * time.Second
		s.srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) {
			return proxy.Account{Store: rate.Limit(s.store)}, nil
		}
		s.store.Files["/old"] = storetest.MemoryFile{Name: "/old", Data: []byte(strings.Repeat("k", 64<<10))}
		f(s)
	})
}

// begins begins a transfer, in MODE Z if zlib is set.
func (s *script) begins(command string, zlib bool) {
	if zlib {
		s.play("C> MODE Z\nS> 200 *\n! zlib")
	}
	s.play("C> EPSV\nS> 229 *\nC> " + command + "\nS> 150 *")
	s.connectData(false)
}

// moves moves that many KiB of a transfer in the background, and as many as it can of a download.
func (s *script) moves(kib int) (moved chan int64) {
	moved = make(chan int64, 1)
	c := &script{testClient: s.testClient} // the script may switch to another client
	go func() {
		if !c.upload {
			n, _ := io.Copy(io.Discard, c.in)
			moved <- n
			return
		}
		if c.sendData(strings.Repeat("k", kib<<10)) == nil {
			if c.zip != nil {
				c.zip.Close()
			}
			c.data.Close()
		}
		moved <- int64(kib << 10)
	}()
	return moved
}

// near reports whether n bytes are what the rate allows in a time, to 10 % and a burst of a quarter of a second.
func near(n int64, took time.Duration) bool {
	want := took.Seconds() * rateKiB * 1024
	return float64(n) > want*0.9-256 && float64(n) < want*1.1+256
}

// ABOR ends a transfer that waits for its rate at once. Nothing is published, and what arrived is kept for resuming.
func TestAbortAtARate(t *testing.T) {
	for _, zlib := range []bool{false, true} {
		for _, command := range []string{"STOR new", "RETR old"} {
			rateInBubble(t, func(s *script) {
				s.begins(command, zlib)
				moved := s.moves(64)
				s.play("T> 10s\nC> ABOR\nS> 426 Transfer aborted.\nS> 226 *")
				n := <-moved
				if command == "STOR new" {
					n = int64(len(s.store.Resumable["/new"]))
				}
				if !near(n, 10*time.Second) || len(s.store.Files) != 1 {
					t.Errorf("%s, MODE Z %v: %d bytes in 10 s, files %d", command, zlib, n, len(s.store.Files))
				}
			})
		}
	}
}

// While the server drains, transfers keep their rate: those that end within the drain timeout are complete, and others are aborted.
func TestDrainAtARate(t *testing.T) {
	for _, x := range []struct {
		command string
		kib     int
		replies string
	}{
		{"STOR new", 50, "T> 39s\nS-\nT> 2s\nS> 226 *\nS> 421 *\nS."},
		{"RETR old", 64, "T> 53s\nS-\nT> 2s\nS> 226 *\nS> 421 *\nS."},
		{"STOR new", 90, "T> 59999ms\nS-\nT> 1ms\nS> 426 Transfer aborted, server is shutting down.\nS> 421 *\nS."},
		{"RETR large", 90, "T> 59999ms\nS-\nT> 1ms\nS> 426 Transfer aborted, server is shutting down.\nS> 421 *\nS."},
	} {
		rateInBubble(t, func(s *script) {
			s.store.Files["/large"] = storetest.MemoryFile{Name: "/large", Data: []byte(strings.Repeat("k", 90<<10))}
			s.begins(x.command, false)
			moved := s.moves(x.kib)
			s.play("T> 10s\n! drain\n" + x.replies)
			if n := <-moved; strings.Contains(x.replies, "226") && n != int64(x.kib<<10) {
				t.Errorf("%s: %d bytes, want %d KiB", x.command, n, x.kib)
			}
			if stored := len(s.store.Files["/new"].Data); stored != 0 && stored != 50<<10 {
				t.Errorf("%s of %d KiB: %d bytes are stored", x.command, x.kib, stored)
			}
		})
	}
}

// A transfer that waits for its rate is not stalled, even if it takes longer than the stall timeout and shares the rate with others.
func TestRateIsNoStall(t *testing.T) {
	for _, zlib := range []bool{false, true} {
		for _, command := range []string{"STOR new", "RETR old"} {
			rateInBubble(t, func(s *script) {
				for _, n := range []int{1, 2, 3} {
					s.switchTo(n)
					name := command
					if command == "STOR new" {
						name += string(rune('0' + n))
					}
					s.begins(name, zlib)
					s.moves(64)
				}
				s.play("T> 190s\n1\nS-\n2\nS-\n3\nS-\nT> 3s\n1\nS> 226 *\n2\nS> 226 *\n3\nS> 226 *")
			})
		}
	}
}

// A client that stalls is found also at a rate.
func TestStallAtARate(t *testing.T) {
	for _, command := range []string{"STOR new", "RETR old"} {
		rateInBubble(t, func(s *script) {
			s.begins(command, false)
			if s.upload {
				s.play(`D= "hello"`)
			} else {
				io.CopyN(io.Discard, s.in, 5)
			}
			begin := time.Now()
			synctest.Wait()
			if got := <-s.replies; !matches("426 *\r", got) || time.Since(begin) > 20*time.Second {
				t.Errorf("%s: the reply is %q after %v", command, got, time.Since(begin))
			}
		})
	}
}
