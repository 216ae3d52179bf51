package ack

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
	"github.com/s3ftpd/s3ftpd/test/faults"
	"github.com/s3ftpd/s3ftpd/test/real"
)

const bucketName = "files"

// A world is a bucket, the s3ftpd processes that serve it, and the clients.
type world struct {
	t       testing.TB
	program string
	seed    uint64
	profile profile
	server  *real.S3 // nil = the embedded store
	maker   *faultInjector
	procs   []*process
	view    *s3.Client // past the faults

	ticks   atomic.Int64
	nextOp  int
	state   map[string]value // content of the bucket at the end of the last round
	counts  map[string]int   // of tolerated anomalies and of operations
	history []*op            // of the round

	mu      sync.Mutex
	faults  []string // found
	outages []outage
}

// An outage is the time from the kill of a process to its restart.
type outage struct {
	from, to int64
	proc     int // none = S3
}

// s3Timeout is the value of --s3-timeout.
const s3Timeout = time.Second

// clock orders events.
func (w *world) clock() int64 { return w.ticks.Add(1) }

func (w *world) violation(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

func (w *world) violations() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.faults)
}

// newWorld starts a store and bridges.
func newWorld(t testing.TB, program string, seed uint64, p profile) *world {
	if err := real.NoteSources(); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, program: program, seed: seed, profile: p, state: map[string]value{}, counts: map[string]int{}}
	w.maker = &faultInjector{clock: w.clock}
	var forward http.Handler
	keys := &real.S3{AccessKey: "tester", SecretKey: "tester-secret", Region: "us-east-1"}
	if p.minio {
		w.server = real.MinIO(t)
		keys = w.server
		forward = faults.To(t, w.server.Endpoint)
	} else {
		store, err := s3demo.Open(t.TempDir(), s3demo.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		forward = store.Handler()
	}
	finishing := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		defer w.maker.enter()()
		forward.ServeHTTP(rw, r.WithContext(context.WithoutCancel(r.Context()))) // S3 does not stop when its client does
	})
	w.maker.proxy = faults.New(t, finishing, w.maker.match)
	through := *keys
	through.Endpoint = w.maker.proxy.URL
	w.view = through.Client()
	if _, err := w.view.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucketName)}); err != nil {
		t.Fatal(err)
	}
	for i := range p.processes {
		w.procs = append(w.procs, w.newProcess(i, &through))
	}
	return w
}

// A process is one s3ftpd.
type process struct {
	w    *world
	addr string // of FTP
	sftp string
	args []string
	env  []string
	log  string

	mu           sync.Mutex
	cmd          *exec.Cmd
	rest         []byte
	listening    chan struct{}
	unready      int // listeners
	begun, ended int // sessions
	changed      chan struct{}
}

func (w *world) newProcess(i int, store *real.S3) *process {
	p := &process{w: w, addr: real.FreeAddr(w.t), sftp: real.FreeAddr(w.t), log: filepath.Join(w.t.TempDir(), fmt.Sprintf("s3ftpd-%d.log", i))}
	p.args = append([]string{"serve", "--ftp", p.addr, "--ftps", "", "--sftp", p.sftp, "--sftp-host-key", hostKey(w.t), "--endpoint", store.Endpoint,
		"--bucket", bucketName, "--users", usersFile(w.t), "--log-format", "json", "--tls-self-signed", "--tls", "optional",
		"--part-size", "5MiB", "--s3-timeout", s3Timeout.String()}, w.profile.options...)
	p.env = append(store.Env(), "HOME="+w.t.TempDir(), "PATH="+os.Getenv("PATH"))
	p.start()
	w.t.Cleanup(func() {
		p.cmd.Process.Kill()
		p.cmd.Wait()
		if text, err := os.ReadFile(p.log); err == nil && w.t.Failed() && *logFlag {
			w.t.Logf("the log of s3ftpd %d is\n%s", i, text)
		}
	})
	return p
}

// start starts the process, and waits until it listens.
func (p *process) start() {
	p.mu.Lock()
	p.cmd = exec.Command(p.w.program, p.args...)
	p.cmd.Env, p.cmd.Stderr = p.env, p
	p.rest, p.begun, p.ended, p.unready = nil, 0, 0, 2
	listening := make(chan struct{})
	p.listening, p.changed = listening, make(chan struct{})
	err := p.cmd.Start()
	p.mu.Unlock()
	if err != nil {
		p.w.violation("s3ftpd does not start: %v", err)
		return
	}
	select {
	case <-listening:
	case <-time.After(patience):
		p.w.violation("s3ftpd does not listen")
	}
}

// Write takes the log.
func (p *process) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err == nil {
		f.Write(text)
		f.Close()
	}
	for p.rest = append(p.rest, text...); ; {
		line, rest, found := bytes.Cut(p.rest, []byte("\n"))
		if !found {
			return len(text), nil
		}
		p.rest = rest
		p.read(line)
	}
}

// read evaluates a line of the log.
func (p *process) read(line []byte) {
	says := func(what string) bool { return bytes.Contains(line, []byte(`"msg":"`+what+`"`)) }
	switch {
	case says("listening"):
		if p.unready--; p.unready == 0 {
			close(p.listening)
		}
	case says("session begins"):
		p.begun++
	case says("session ends"):
		p.ended++
	case bytes.Contains(line, []byte("panic")):
		p.w.violation("s3ftpd panics: %s", line)
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// settle waits until all sessions have ended.
func (p *process) settle() {
	limit := time.After(patience)
	for {
		p.mu.Lock()
		done, changed := p.begun == p.ended, p.changed
		p.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-limit:
			p.w.violation("sessions do not end within %v after their clients have gone", patience)
			return
		}
	}
}

// kill kills a process of the bridge, or MinIO, and starts it again.
func (w *world) kill(o *op) {
	o.call = w.clock()
	out := outage{from: o.call, proc: none}
	if o.verb == "KILLS3" {
		if w.server != nil {
			w.server.Process.Kill()
			w.server.Process.Wait()
			w.server.Restart()
		}
	} else if n, err := strconv.Atoi(o.name); err == nil && n < len(w.procs) {
		out.proc = n
		w.procs[n].cmd.Process.Kill()
		w.procs[n].cmd.Wait()
		w.procs[n].start()
	}
	o.ret, o.code = w.clock(), 200
	out.to = o.ret
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outages = append(w.outages, out)
}

// wentDown reports whether S3 or the s3ftpd of an operation was killed while it ran.
func (w *world) wentDown(o *op) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.outages, func(out outage) bool {
		return (out.proc == none || out.proc == o.proc) && out.to > o.call && (o.ret == 0 || out.from < o.ret)
	})
}

// read returns the content of the bucket.
func (w *world) read() map[string]value {
	held := make(map[string]value)
	ctx := w.t.Context()
	pages := s3.NewListObjectsV2Paginator(w.view, &s3.ListObjectsV2Input{Bucket: aws.String(bucketName)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, o := range page.Contents {
			held[*o.Key] = w.readOne(*o.Key)
		}
	}
	return held
}

func (w *world) readOne(key string) value {
	out, err := w.view.GetObject(w.t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucketName), Key: &key})
	if err != nil {
		w.t.Fatal(err)
	}
	defer out.Body.Close()
	data, err := io.ReadAll(out.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := parse(data)
	if err != nil {
		w.violation("the bucket holds a mixture as %s: %v", key, err)
	}
	v := value{content: c.String(), there: true}
	if seconds, err := strconv.ParseInt(out.Metadata["mtime"], 10, 64); err == nil {
		v.mtime = int(seconds - timeOf(0).Unix())
	}
	return v
}

// uploads returns the multipart uploads that are open for a name; MinIO lists those of no other prefix.
func (w *world) uploads(name string) []types.MultipartUpload {
	out, err := w.view.ListMultipartUploads(w.t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(bucketName), Prefix: &name})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.Uploads
}

// clean aborts open uploads, and deletes all names that are not shared by all rounds.
func (w *world) clean() {
	ctx, bucket := w.t.Context(), aws.String(bucketName)
	seen := map[string]bool{}
	for _, o := range w.history {
		if o.size < leastPart || seen[o.name] {
			continue
		}
		seen[o.name] = true
		for _, u := range w.uploads(o.name) {
			w.view.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: bucket, Key: u.Key, UploadId: u.UploadId})
		}
	}
	for key, v := range w.state {
		if slices.Contains(files, key) && contentOf(v.content).size() < 1<<20 {
			continue
		}
		if _, err := w.view.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String(key)}); err != nil {
			w.t.Fatal(err)
		}
		delete(w.state, key)
	}
}

// round runs the operations of one round and judges them. It returns their number.
func (w *world) round(number int) int {
	queues := w.plan(number)
	w.history, w.outages, w.maker.hits = nil, nil, nil
	var all sync.WaitGroup
	for i, queue := range queues {
		w.history = append(w.history, queue...)
		all.Go(func() { w.serve(i, number, queue) })
	}
	all.Wait()
	for _, p := range w.procs {
		p.settle()
	}
	<-w.maker.quiet()
	held := w.read()
	w.judge(held)
	for _, o := range w.history {
		if o.acknowledged() && !strings.HasPrefix(o.verb, "KILL") {
			w.counts["acknowledged by "+o.protocol()]++
		}
	}
	w.state = held
	if len(w.violations()) == 0 {
		w.resume()
	}
	w.clean()
	return len(w.history)
}

// serve is one client of a round.
func (w *world) serve(number, round int, queue []*op) {
	c := w.newClient(number)
	c.secure = isSecure(number, round)
	for _, o := range queue {
		c.run(o)
	}
	c.quit()
}

// narrate returns the operations on some names in order; without names, all operations.
func (w *world) narrate(names map[string]bool) string {
	var b strings.Builder
	delete(names, "")
	ops := slices.Clone(w.history)
	slices.SortFunc(ops, func(a, b *op) int { return int(a.call - b.call) })
	for _, o := range ops {
		if names == nil || names[o.name] || names[o.to] || strings.HasPrefix(o.verb, "KILL") ||
			directory(o.name) && anyBelow(names, o.name) || directory(o.to) && anyBelow(names, o.to) {
			fmt.Fprintln(&b, o)
		}
	}
	return b.String()
}

func anyBelow(names map[string]bool, dir string) bool {
	for name := range names {
		if strings.HasPrefix(name, dir+"/") {
			return true
		}
	}
	return false
}
