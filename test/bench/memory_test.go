package bench

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// manySessions are options of s3ftpd that allow the sessions of the benchmarks, all from one address.
var manySessions = []string{"--max-sessions", "2000", "--max-sessions-per-ip", "2000", "--max-sessions-per-user", "2000"}

// addFigure adds a value of a server to the results.
type addFigure func(name, unit string, value float64)

// A memoryTest measures the memory of a server that has just been started.
type memoryTest struct {
	name    string
	tls     bool // of s3ftpd only
	measure func(b *testing.B, s subject, add addFigure) error
}

var memoryTests = []memoryTest{
	{"idle session", false, idle("idle session")},
	{"idle session, TLS", true, idle("idle session, TLS")},
	{"1 GiB up and down", false, burst},
}

// BenchmarkMemory measures the memory of idle sessions, and of a server after its transfers. All of it is RssAnon, the process's
// own memory. Each server is started anew in each round.
func BenchmarkMemory(b *testing.B) {
	s3 := startNull(b)
	var all figureList
	for _, test := range memoryTests {
		b.Run(strings.ReplaceAll(test.name, " ", "_"), func(b *testing.B) {
			var figures figureList
			servers := test.servers(b, s3)
			for b.Loop() {
				for _, start := range servers {
					test.round(b, start(), &figures)
				}
			}
			b.ReportMetric(0, "ns/op")
			figures.report(b)
			all = append(all, figures...)
		})
	}
	save(b, func(r *results) { r.addFigures(all) })
}

// round measures a server and ends it.
func (m memoryTest) round(b *testing.B, s subject, figures *figureList) {
	err := m.measure(b, s, func(name, unit string, value float64) { figures.add(name, s.name, unit, value) })
	if err != nil && !s.peer {
		b.Fatalf("%s: %v", s.name, err)
	} else if err != nil {
		figures.fail(m.name, s.name, err)
	}
	s.kill()
}

// servers returns functions that start s3ftpd, the earlier build if there is one, and rclone.
func (m memoryTest) servers(b *testing.B, s3 *real.S3) (all []func() subject) {
	args := slices.Clone(manySessions)
	if m.tls {
		args = append(args, "--tls-self-signed", "--ftps", "")
	}
	all = append(all, func() subject { return startBridge(b, "s3ftpd", harness.Program(), s3, args...) })
	if path := os.Getenv("S3FTPD_BENCH_BEFORE"); path != "" {
		all = append(all, func() subject { return startBridge(b, "before", path, s3, args...) })
	}
	if _, err := rcloneProgram("ftp"); err != nil {
		b.Logf("not measured: %v", err)
	} else if !m.tls {
		all = append(all, func() subject {
			s, err := startRclone(b, s3, workload{Service: "null", Kind: "put"})
			if err != nil {
				b.Fatal(err)
			}
			s.peer = true
			return s
		})
	}
	return all
}

// kill ends the server.
func (s subject) kill() {
	if p, err := os.FindProcess(int(s.process)); err == nil {
		p.Kill()
	}
}

// open opens sessions.
func (s subject) open(n int) (all []*ftpClient, err error) {
	for range n {
		c, err := s.connect()
		if err != nil {
			return nil, err
		}
		all = append(all, c.(*ftpClient))
	}
	return all, nil
}

// idle measures the memory of a session. The first sessions allocate what later ones share.
func idle(name string) func(b *testing.B, s subject, add addFigure) error {
	return func(b *testing.B, s subject, add addFigure) error {
		sessions := 500
		if *small {
			sessions = 20
		}
		if _, err := s.open(8); err != nil {
			return err
		}
		before := s.process.Status(b, "RssAnon")
		if _, err := s.open(sessions); err != nil {
			return err
		}
		add(name, "KiB", float64(s.process.Status(b, "RssAnon")-before)/float64(sessions))
		return nil
	}
}

// burst measures the memory before and after 1 GiB up and 1 GiB down, and how long the server takes to give it back.
func burst(b *testing.B, s subject, add addFigure) error {
	size, limit := harness.GiB, 15*time.Second
	if *small {
		size, limit = 16*harness.MiB, time.Second
	}
	all, err := s.open(1)
	if err != nil {
		return err
	}
	mib := func() float64 { return float64(s.process.Status(b, "RssAnon")) / 1024 }
	name := fmt.Sprint("bench/0-", size)
	before := mib()
	if err := all[0].put(name, size); err != nil {
		return err
	}
	if err := all[0].get(name, size); err != nil {
		return err
	}
	add("memory before 1 GiB up and down", "MiB", before)
	add("memory just after it", "MiB", mib())
	begin, after := time.Now(), awaitAtMost(before*1.2+4, limit, mib)
	add("memory when idle again, within 15 s", "MiB", after)
	add("time until then, 15 s at most", "s", time.Since(begin).Seconds())
	return nil
}

// awaitAtMost polls a value until it is not larger than want, or the limit has passed, and returns it.
func awaitAtMost(want float64, limit time.Duration, value func() float64) float64 {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	end := time.After(limit)
	for {
		now := value()
		if now <= want {
			return now
		}
		select {
		case <-tick.C:
		case <-end:
			return value()
		}
	}
}

// A figureList collects figures.
type figureList []figure

// add adds a value of a round. Figures of one name are adjacent.
func (l *figureList) add(name, subject, unit string, value float64) {
	last := len(*l)
	for i := range *l {
		if f := &(*l)[i]; f.Name == name && f.Subject == subject {
			f.Values = append(f.Values, value)
			return
		} else if f.Name == name {
			last = i + 1
		}
	}
	*l = slices.Insert(*l, last, figure{Name: name, Subject: subject, Unit: unit, Values: []float64{value}})
}

// fail makes an error the result of a peer.
func (l *figureList) fail(name, subject string, err error) {
	*l = slices.DeleteFunc(*l, func(f figure) bool { return f.Name == name && f.Subject == subject })
	*l = append(*l, figure{Name: name, Subject: subject, Failure: oneLine(err)})
}

// report logs all figures, a line for each name.
func (l figureList) report(b *testing.B) {
	last := ""
	var line []string
	for i, f := range l {
		if f.Name != last {
			line = []string{f.Name + ":"}
		}
		last = f.Name
		line = append(line, f.Subject, f.cell()+";")
		if i == len(l)-1 || l[i+1].Name != last {
			b.Log(strings.Join(line, " "))
		}
	}
}
