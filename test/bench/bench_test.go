package bench

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
	"github.com/s3ftpd/s3ftpd/test/real"
)

var (
	write = flag.Bool("write", false, "write the results to docs")
	small = flag.Bool("small", false, "move small and few files, to see that all workloads run")
)

// nullAddress is the environment variable that makes the test program the null S3 server, at this address.
const nullAddress = "S3FTPD_BENCH_NULL"

func TestMain(m *testing.M) {
	if addr := os.Getenv(nullAddress); addr != "" {
		fmt.Fprintln(os.Stderr, http.ListenAndServe(addr, newNullS3()))
		os.Exit(1)
	}
	harness.Main(m)
}

// startNull runs the null S3 server in a process of its own.
func startNull(t testing.TB) *real.S3 {
	t.Helper()
	addr := real.FreeAddr(t)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), nullAddress+"="+addr)
	real.Start(t, cmd)
	s := &real.S3{Endpoint: "http://" + addr, AccessKey: "tester", SecretKey: "tester-secret", Region: "us-east-1", Process: cmd.Process}
	real.Await(t, s.Endpoint+"/"+harness.BucketName+"/file-0")
	return s
}

// A service is an S3 server of the workloads.
type service struct {
	*real.S3
	near *real.S3 // without delay, to prepare and verify
	ftp  string   // the address of MinIO's own FTP server; "" = none
	sftp string   // and of its SFTP server
}

// services returns the S3 servers. Each is started when it is used first.
func services(b *testing.B) map[string]func() service {
	null := sync.OnceValue(func() service {
		s := startNull(b)
		return service{S3: s, near: s}
	})
	minio := sync.OnceValue(func() service {
		ftp, sftp := real.FreeAddr(b), real.FreeAddr(b)
		s := real.MinIOWith(b, append(flagsOfMinIO(b, sftp), "--ftp=address="+ftp, "--ftp=passive-port-range=30000-40000")...)
		harness.NewBucket(b, s)
		return service{s, s, ftp, sftp}
	})
	far := sync.OnceValue(func() service {
		s := minio()
		return service{S3: harness.Far(b, s.S3), near: s.near}
	})
	return map[string]func() service{"null": null, "minio": minio, "far": far}
}

// emptyTrash removes overwritten objects, which MinIO keeps for five minutes: they may be more than the memory.
func (s service) emptyTrash() {
	objects, _ := filepath.Glob(filepath.Join(s.near.Disk, ".minio.sys", "tmp", ".trash", "*"))
	for _, path := range objects {
		os.RemoveAll(path)
	}
}

// BenchmarkAll runs all workloads. The number of rounds is that of -benchtime.
func BenchmarkAll(b *testing.B) {
	servers := services(b)
	var rows []row
	for _, w := range workloads {
		if *small {
			w = w.reduced()
		}
		b.Run(w.Service+"/"+strings.ReplaceAll(w.Name, " ", "_"), func(b *testing.B) {
			rows = append(rows, w.measure(b, servers[w.Service]()))
		})
	}
	save(b, func(r *results) { r.addRows(rows) })
}

// sftpGarbage is the garbage that clients of SFTP may have, in percent of the heap. Package ssh allocates each packet; with the default,
// the client would collect garbage hundreds of times a GiB, and limit the speed of each server.
const sftpGarbage = 800

// measure runs a workload in rounds.
func (w workload) measure(b *testing.B, s service) row {
	near := direct(b, s.near)
	w.prepare(near)
	all := w.subjects(b, s)
	result := row{Workload: w, Subjects: make([]measurement, len(all))}
	clients := make([][]client, len(all))
	for i, to := range all {
		result.Subjects[i].Name = to.name
		var err error
		if clients[i], err = w.warmUp(to, near); err != nil {
			result.Subjects[i].fail(b, to, err)
		}
	}
	if w.SFTP {
		defer debug.SetGCPercent(debug.SetGCPercent(sftpGarbage))
	}
	b.ResetTimer()
	for b.Loop() {
		for i, to := range all {
			if m := &result.Subjects[i]; m.Failure == "" {
				s.emptyTrash()
				m.round(b, to, func() (time.Duration, error) { return w.run(clients[i], to.limit()) })
			}
		}
	}
	result.report(b)
	return result
}

// warmUp connects, runs a workload once, and compares what S3 has stored with what was sent.
func (w workload) warmUp(s subject, near directClient) (clients []client, err error) {
	for range w.Connections {
		c, err := s.connect()
		if err != nil {
			return nil, err
		}
		clients = append(clients, c)
	}
	if w.stores() {
		w.forget(near)
	}
	if _, err = w.run(clients, s.limit()); err == nil && w.stores() {
		err = w.verify(near)
	}
	return clients, err
}

// round measures one run. A subject that fails is not measured again.
func (m *measurement) round(b *testing.B, s subject, run func() (time.Duration, error)) {
	cpu, begin := s.cpu(b), time.Now()
	first, err := run()
	if err != nil {
		m.fail(b, s, err)
		return
	}
	m.Seconds = append(m.Seconds, time.Since(begin).Seconds())
	if first > 0 {
		m.First = append(m.First, first.Seconds())
	}
	if s.process != 0 {
		m.CPU = append(m.CPU, s.cpu(b)-cpu)
	}
	if s.process != 0 && !s.tree {
		m.PeakMiB = s.process.Peak(b)
	}
}

// fail makes an error the result of a peer. It ends the benchmark of others.
func (m *measurement) fail(b *testing.B, s subject, err error) {
	if !s.peer {
		b.Fatalf("%s: %v", s.name, err)
	}
	*m = measurement{Name: m.Name, Failure: oneLine(err)}
}

// oneLine returns the text of an error for a table.
func oneLine(err error) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), "|", "/")), " ")
}

// limit returns how long a run of many files may take; 0 = unlimited. A peer may need hours for what others do in seconds.
func (s subject) limit() time.Duration {
	if s.peer {
		return time.Minute
	}
	return 0
}

// run moves all files of the workload once. It returns the time to the first line of a listing.
func (w workload) run(clients []client, limit time.Duration) (first time.Duration, err error) {
	if w.isList() {
		return clients[0].list(w.Kind, w.dir(), w.Files)
	}
	errs, moved := make([]error, len(clients)), make([]int, len(clients))
	begin := time.Now()
	var all sync.WaitGroup
	for k, c := range clients {
		all.Go(func() {
			move := c.get
			if w.Kind == "put" {
				move = c.put
			}
			for i := k; i < w.Files && errs[k] == nil && (limit == 0 || time.Since(begin) < limit); i += len(clients) {
				errs[k] = move(w.file(i), w.Size)
				moved[k]++
			}
		})
	}
	all.Wait()
	sum := 0
	for k, err := range errs {
		if err != nil {
			return 0, err
		}
		sum += moved[k]
	}
	if sum < w.Files {
		return 0, fmt.Errorf("%d of %d files in %v", sum, w.Files, limit)
	}
	return 0, nil
}

// entries returns the names of the files in the directory that the workload lists.
func (w workload) entries() []string {
	names := make([]string, w.Files)
	for i := range names {
		names[i] = fmt.Sprintf("%s/file-%07d", w.dir(), i)
	}
	return names
}

// verify compares the stored files with the content that was sent.
func (w workload) verify(c directClient) error {
	want := harness.SumOf(c.T, harness.Stream(w.Size))
	for i := range w.Files {
		if got := c.Sum(w.file(i)); got != want {
			return fmt.Errorf("%s: S3 has SHA-256 %s, want %s", w.file(i), got, want)
		}
	}
	return nil
}
