package bench

import (
	"crypto/tls"
	"flag"
	"fmt"
	"net/http"
	"net/textproto"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
	"github.com/s3ftpd/s3ftpd/test/real"
)

var write = flag.Bool("write", false, "write the results to docs")

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

// A client moves files over one connection.
type client interface {
	put(name string, size int64)
	get(name string, size int64)
	list(dir string, entries int)
}

// A subject is one way to S3.
type subject struct {
	name    string
	server  *harness.Server // to measure the CPU time and memory of; nil = none
	connect func() client
}

// cpu returns the CPU time of the server so far, in seconds; 0 without one.
func (s subject) cpu(b *testing.B) float64 {
	if s.server == nil {
		return 0
	}
	return s.server.CPU(b)
}

// subjects returns direct use, s3ftpd, and the earlier build if the environment names one.
func subjects(b *testing.B, s3 *real.S3, secure bool) []subject {
	bucket := harness.Bucket{T: b, Client: s3.Client(), Name: harness.BucketName}
	all := []subject{{"direct", nil, func() client { return directClient{bucket} }}}
	programs := []struct{ name, path string }{{"s3ftpd", harness.Program()}, {"before", os.Getenv("S3FTPD_BENCH_BEFORE")}}
	for _, p := range programs {
		if p.path == "" {
			continue
		}
		server := startProgram(b, p.path, s3, secure)
		all = append(all, subject{p.name, server, func() client { return connectFTP(b, server.Addr, secure) }})
	}
	return all
}

func startProgram(b *testing.B, path string, s3 *real.S3, secure bool) *harness.Server {
	addr := real.FreeAddr(b)
	args := []string{"serve", "--ftp", addr, "--endpoint", s3.Endpoint, "--bucket", harness.BucketName, "--user", harness.User, "--log-format", "json"}
	if secure {
		args = append(args, "--tls-self-signed", "--ftps", "")
	}
	return harness.StartCommand(b, addr, append(s3.Env(), "S3FTPD_PASSWORD="+harness.Password), exec.Command(path, args...))
}

// directClient uses the SDK.
type directClient struct{ harness.Bucket }

func (c directClient) put(name string, size int64) {
	if block := harness.Block(); size > int64(len(block)) {
		c.Upload(name, size)
	} else {
		c.Put(name, string(block[:size]))
	}
}

func (c directClient) get(name string, _ int64) { c.Download(name) }

func (c directClient) list(dir string, entries int) {
	if n := len(c.Keys(dir + "/")); n != entries {
		c.T.Errorf("%d keys, want %d", n, entries)
	}
}

// ftpClient is an FTP client, with TLS if config is not nil.
type ftpClient struct {
	*harness.Client
	config *tls.Config
}

// connectFTP logs in, with explicit TLS if secure.
func connectFTP(b *testing.B, addr string, secure bool) client {
	conn, err := textproto.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	if !secure {
		return ftpClient{harness.NewClient(b, conn, "127.0.0.1"), nil}
	}
	return secureClient(b, addr, conn)
}

// A workload is one row of the results.
type workload struct {
	Name        string
	Service     string // null, minio or far
	TLS         bool
	Kind        string // put, get or list
	Connections int
	Files       int   // in all, or entries of a listing
	Size        int64 // of a file
}

// workloads are all rows. Those of the null service are repeated on MinIO.
var workloads = []workload{
	{"1 GiB up", "null", false, "put", 1, 1, harness.GiB},
	{"1 GiB down", "null", false, "get", 1, 1, harness.GiB},
	{"1 GiB up, TLS", "null", true, "put", 1, 1, harness.GiB},
	{"1 GiB down, TLS", "null", true, "get", 1, 1, harness.GiB},
	{"4 KiB up, 1 connection", "null", false, "put", 1, 2000, 4 * harness.KiB},
	{"4 KiB up, 16 connections", "null", false, "put", 16, 4000, 4 * harness.KiB},
	{"4 KiB down, 1 connection", "null", false, "get", 1, 2000, 4 * harness.KiB},
	{"4 KiB down, 16 connections", "null", false, "get", 16, 4000, 4 * harness.KiB},
	{"LIST of 10,000 files", "null", false, "list", 1, 10000, 0},
	{"1 GiB up", "minio", false, "put", 1, 1, harness.GiB},
	{"1 GiB down", "minio", false, "get", 1, 1, harness.GiB},
	{"16 files of 64 MiB up", "minio", false, "put", 16, 16, 64 * harness.MiB},
	{"4 KiB up, 1 connection", "minio", false, "put", 1, 1000, 4 * harness.KiB},
	{"4 KiB up, 16 connections", "minio", false, "put", 16, 2000, 4 * harness.KiB},
	{"4 KiB down, 1 connection", "minio", false, "get", 1, 1000, 4 * harness.KiB},
	{"4 KiB down, 16 connections", "minio", false, "get", 16, 2000, 4 * harness.KiB},
	{"4 KiB up, 1 connection", "far", false, "put", 1, 100, 4 * harness.KiB},
	{"4 KiB up, 16 connections", "far", false, "put", 16, 1600, 4 * harness.KiB},
	{"4 KiB down, 1 connection", "far", false, "get", 1, 100, 4 * harness.KiB},
	{"4 KiB down, 16 connections", "far", false, "get", 16, 1600, 4 * harness.KiB},
	{"256 MiB up", "far", false, "put", 1, 1, 256 * harness.MiB},
	{"256 MiB down", "far", false, "get", 1, 1, 256 * harness.MiB},
}

// BenchmarkAll runs all workloads. The number of rounds is that of -benchtime.
func BenchmarkAll(b *testing.B) {
	minio := sync.OnceValue(func() *real.S3 {
		s := real.MinIO(b)
		harness.NewBucket(b, s)
		return s
	})
	services := map[string]func() *real.S3{
		"null":  sync.OnceValue(func() *real.S3 { return startNull(b) }),
		"minio": minio,
		"far":   sync.OnceValue(func() *real.S3 { return harness.Far(b, minio()) }),
	}
	var rows []row
	for _, w := range workloads {
		b.Run(w.Service+"/"+strings.ReplaceAll(w.Name, " ", "_"), func(b *testing.B) {
			rows = append(rows, w.measure(b, services[w.Service]()))
		})
	}
	if *write && !b.Failed() {
		if err := writeResults(rows); err != nil {
			b.Error(err)
		}
	}
}

// measure runs a workload in rounds.
func (w workload) measure(b *testing.B, s3 *real.S3) row {
	all := subjects(b, s3, w.TLS)
	result := row{Workload: w, Subjects: make([]measurement, len(all))}
	clients := make([][]client, len(all))
	for i, s := range all {
		result.Subjects[i].Name = s.name
		for range w.Connections {
			clients[i] = append(clients[i], s.connect())
		}
	}
	w.prepare(clients[0][0])
	for i := range all {
		w.run(clients[i]) // warms up
		if w.Kind == "put" && w.Service != "null" {
			w.verify(b, s3)
		}
	}
	b.ResetTimer()
	for b.Loop() {
		for i, s := range all {
			cpu, begin := s.cpu(b), time.Now()
			w.run(clients[i])
			m := &result.Subjects[i]
			m.Seconds = append(m.Seconds, time.Since(begin).Seconds())
			m.CPU = append(m.CPU, s.cpu(b)-cpu)
			if s.server != nil {
				m.PeakMiB = s.server.Peak(b)
			}
		}
	}
	result.report(b)
	return result
}

// name returns the name of a file of the workload. The null server knows the size from it.
func (w workload) name(i int) string { return fmt.Sprintf("bench/%d-%d", i, w.Size) }

// prepare stores the files to read.
func (w workload) prepare(c client) {
	if w.Kind == "get" && w.Service != "null" {
		for i := range w.Files {
			c.put(w.name(i), w.Size)
		}
	}
}

// run moves all files of the workload once.
func (w workload) run(clients []client) {
	var all sync.WaitGroup
	for k, c := range clients {
		all.Go(func() {
			if w.Kind == "list" {
				c.list(fmt.Sprintf("list-%d", w.Files), w.Files)
				return
			}
			for i := k; i < w.Files; i += len(clients) {
				if w.Kind == "put" {
					c.put(w.name(i), w.Size)
				} else {
					c.get(w.name(i), w.Size)
				}
			}
		})
	}
	all.Wait()
}

// verify compares one stored file with the content that was sent.
func (w workload) verify(b *testing.B, s3 *real.S3) {
	bucket := harness.Bucket{T: b, Client: s3.Client(), Name: harness.BucketName}
	got, want := bucket.Sum(w.name(w.Files-1)), harness.SumOf(b, harness.Stream(w.Size))
	if got != want {
		b.Errorf("%s: S3 has SHA-256 %s, want %s", w.Name, got, want)
	}
}
