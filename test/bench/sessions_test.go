package bench

import (
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

var sessionsTime = flag.Duration("sessions-time", 10*time.Minute, "how long BenchmarkSessions runs; its minutes are tenths of it")

// BenchmarkSessions keeps 1,000 sessions, each of which uploads 4 KiB a minute, for ten minutes. It compares the memory in minute 2
// with that in minute 10. It runs once, whatever -benchtime says.
func BenchmarkSessions(b *testing.B) {
	if *write && *sessionsTime != 10*time.Minute {
		b.Fatal("-write is for ten minutes")
	}
	x := sessionsBenchmark{B: b, minute: *sessionsTime / 10, sessions: 1000}
	if *small {
		x.sessions = 50
	}
	once := sync.OnceFunc(x.run)
	for b.Loop() {
		once()
	}
	b.ReportMetric(0, "ns/op")
	x.figures.report(b)
	save(b, func(r *results) { r.addFigures(x.figures) })
}

type sessionsBenchmark struct {
	*testing.B
	minute   time.Duration
	sessions int
	figures  figureList
}

// run measures s3ftpd and, at the same time, the earlier build if there is one.
func (x *sessionsBenchmark) run() {
	all := bridges(x.B, startNull(x.B), manySessions...)
	clients := make([][]*ftpClient, len(all))
	for i, s := range all {
		var err error
		if clients[i], err = s.open(x.sessions); err != nil {
			x.Fatalf("%s: %v", s.name, err)
		}
	}
	begin := time.Now()
	var sessions sync.WaitGroup
	for i, s := range all {
		for k, c := range clients[i] {
			first := begin.Add(x.minute * time.Duration(k) / time.Duration(x.sessions))
			sessions.Go(func() {
				if err := uploadEvery(c, fmt.Sprint("bench/session-", k, "-4096"), first, x.minute); err != nil {
					x.Errorf("%s, session %d: %v", s.name, k, err)
				}
			})
		}
	}
	x.add(all, begin, 2)
	x.add(all, begin, 10)
	sessions.Wait()
	for _, s := range all {
		x.figures.add("the same, CPU time of ten minutes", s.name, "s", s.cpu(x))
		x.figures.add("the same, peak memory (RSS)", s.name, "MiB", s.process.Peak(x))
	}
}

// add waits for a minute and adds the least memory in it: what is in use, with the least garbage.
func (x *sessionsBenchmark) add(all []subject, begin time.Time, minute int) {
	least := make([]float64, len(all))
	for i := range 60 {
		<-time.After(time.Until(begin.Add(x.minute * time.Duration(60*(minute-1)+i) / 60)))
		for k, s := range all {
			if now := float64(s.process.Status(x, "RssAnon")) / 1024; i == 0 || now < least[k] {
				least[k] = now
			}
		}
	}
	for k, s := range all {
		x.figures.add(fmt.Sprint("1,000 sessions, an upload a minute each: least memory in minute ", minute), s.name, "MiB", least[k])
	}
}

// uploadEvery uploads a file of 4 KiB ten times, one in each interval.
func uploadEvery(c *ftpClient, name string, first time.Time, interval time.Duration) error {
	for i := range 10 {
		<-time.After(time.Until(first.Add(time.Duration(i) * interval)))
		if err := c.put(name, 4*harness.KiB); err != nil {
			return err
		}
	}
	return nil
}
