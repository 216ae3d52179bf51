package ack

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// An edit replaces a piece of a source file, which must occur exactly once.
type edit struct{ file, old, new string }

// A brokenBuild is the program with an injected fault, and the seed that finds it.
type brokenBuild struct {
	name     string
	edits    []edit
	store    string // its profile
	patterns []string
	seed     uint64
}

// brokenBuilds are faults that the checker must find. Each is an overlay of the program's source. If an edit no longer applies
// because the program has changed, inject the same fault into the new text.
var brokenBuilds = []brokenBuild{
	{
		name:  "the control connection's end is not looked for",
		edits: []edit{{"proxy/ftp/killed_client.go", `return errControlLost`, `return nil`}},
		store: "embedded", patterns: []string{"kill"},
	},
	{
		name:  "close_notify is not asked for",
		edits: []edit{{"proxy/ftp/datatls.go", `err = errNoCloseNotify`, `err = io.EOF`}},
		store: "embedded", patterns: []string{"notify"},
	},
	{
		name:  "ABOR does not stop the commit",
		edits: []edit{{"proxy/ftp/client_monitor.go", "if l.isAbort() {\n\t\t\tm.cancel(errAborted)", "if l.isAbort() {\n\t\t\t_ = errAborted"}},
		store: "embedded", patterns: []string{"abort"},
	},
	{
		name: "ranged reads are not pinned to an ETag",
		edits: []edit{
			{"s3fs/download_stream.go", `IfMatch: &s.etag,`, ``},
			{"s3fs/download_stream.go", `if etag != unquote(&s.etag) || size != s.size {`, `if _ = etag; size != s.size {`},
		},
		store: "embedded", patterns: []string{"pin"},
	},
	{
		name: "an upload that was taken over is completed with the parts that are there",
		edits: []edit{{"s3fs/upload_multipart.go", `	if err := u.awaitCopies(); err != nil {`, `	if parts, err := u.fs.listParts(u.ctx, u.key, u.sending.id); err == nil {
		_, parts = u.fs.splitLease(parts)
		u.sending.size = 0
		for i := range min(len(parts), len(u.sending.parts)) {
			u.sending.parts[i] = sentPart{size: aws.ToInt64(parts[i].Size), etag: parts[i].ETag, sum: partChecksum(parts[i])}
			u.sending.size += u.sending.parts[i].size
		}
	}
	if err := u.awaitCopies(); err != nil {`}},
		store: "embedded-2", patterns: []string{"fence"},
	},
	{
		name: "files are deleted before all of the directory is copied",
		edits: []edit{{"s3fs/rename_dir.go", `	made, err := d.copy(ctx, o, to, cond, l)`, `	made, err := d.copy(ctx, o, to, cond, l)
	if err == nil {
		d.delete(ctx, o.key, o.etag, nil)
	}`}},
		store: "embedded", patterns: []string{"copies"},
	},
	{
		name: "226 is sent before S3 has the file",
		edits: []edit{
			{"s3fs/upload_single.go", `if !commitFirst || commit() == nil {`, `if _ = commitFirst; commit() == nil {`},
			{"s3fs/upload_single.go", `err = u.putObject(ctx, p, commit, countAttempts(&t))`, `go u.putObject(ctx, p, func() error { return nil }, countAttempts(new(attemptCount)))`},
			{"s3fs/upload_single.go", "\tdefer cancel()\n\tvar refused", "\t_ = cancel\n\tvar refused"},
			{"s3fs/upload_single.go", "\tdefer p.free()\n", ""},
		},
		store: "embedded", patterns: []string{"early"},
	},
	{
		name: "parts are put together in another order",
		edits: []edit{
			{"s3fs/upload_multipart.go", `func (s *sending) partNumber(i int) int32 { return int32(i) + 1 }`, `func (s *sending) partNumber(i int) int32 {
	if i < 2 {
		i ^= 1
	}
	return int32(i) + 1
}`},
			{"s3fs/upload_multipart.go", "\t\tlist = append(list, p)\n\t}\n", `		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b types.CompletedPart) int { return int(*a.PartNumber - *b.PartNumber) })
`},
			{"s3fs/upload_multipart.go", `ok && checksums {`, `ok && checksums && false {`},
		},
		store: "embedded", patterns: []string{"order"},
	},
	{
		name:  "a directory's copies replace what is there",
		edits: []edit{{"s3fs/rename_dir.go", `cond := ifAbsent`, `cond := condition{}`}},
		store: "embedded-2", patterns: []string{"directory"},
	},
	{
		name: "a rename deletes its source whatever it is by now",
		edits: []edit{
			{"s3fs/remove_unchanged.go", `if err == nil && now != etag {`, `if err == nil && now == "" {`},
			{"s3fs/remove_unchanged.go", `case now.etag == etag && isRewritten(was, now.head):`, `case now.etag == etag && now.head == nil:`},
			{"s3fs/remove_unchanged.go", `return retryConflicts(ctx, func() error { return f.delete(ctx, key, etag, cond.match) })`, `return f.delete(ctx, key, etag, nil)`},
		},
		store: "embedded-2", patterns: []string{"source"},
	},
	{
		name:  "MFMT has no If-Match",
		edits: []edit{{"s3fs/attributes.go", `selfCopyInput(key, like), o, condition{match: is.ETag}`, `selfCopyInput(key, like), o, condition{}`}},
		store: "embedded-2", patterns: []string{"mfmt"},
	},
	{
		name: "200 with an error is taken for a success",
		edits: []edit{
			{"s3fs/response.go", `			answer.Response.StatusCode = documented`, `			return middleware.DeserializeOutput{Result: &s3.CompleteMultipartUploadOutput{ETag: aws.String("taken")}}, metadata, nil`},
			{"s3fs/response.go", `documented != 0 {`, `documented != 0 && answer.Response.Request.Method == "POST" {`},
			{"s3fs/response.go", `	"github.com/aws/smithy-go/middleware"`, `	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go/middleware"`},
		},
		store: "embedded", patterns: []string{"refused late"},
	},
	{
		name:  "a deletion aborts an upload that runs",
		edits: []edit{{"s3fs/upload_abort.go", "if f.client.uploads.ownerOf(m.id) != nil {\n\t\t\tcontinue", "if f == nil {\n\t\t\tcontinue"}},
		store: "minio", patterns: []string{"deleted"},
	},
	{
		name:  "an append to a free name replaces what has come there",
		edits: []edit{{"s3fs/upload_publish.go", `if p.mustBeNew || p.baseMissing {`, `if p.mustBeNew {`}},
		store: "embedded-2", patterns: []string{"appends"},
	},
	{
		name:  "changes of one process to a name have no order",
		edits: []edit{{"s3fs/name_lock.go", `if _, locked := l.queues[n]; locked {`, `if l == nil {`}},
		store: "minio", patterns: []string{"swap", "source"},
	},
	{
		name:  "an upload of a user without overwrite replaces what has come meanwhile",
		edits: []edit{{"s3fs/upload_publish.go", `if p.mustBeNew || p.baseMissing {`, `if p.baseMissing {`}},
		store: "embedded-2", patterns: []string{"new names"},
	},
	{
		name:  "a rename of a user without overwrite replaces the target",
		edits: []edit{{"proxy/grant/permissions.go", `p.below.Rename(ctx, from, to, replace && mayReplace)`, `p.below.Rename(ctx, from, to, replace)`}},
		store: "embedded", patterns: []string{"move"},
	},
	{
		name:  "a user without overwrite resumes the upload of another user",
		edits: []edit{{"cmd/s3ftpd/usersession.go", `s.places.uploads.of(s.user.Name, place)`, `s.places.uploads.of("", place)`}},
		store: "embedded", patterns: []string{"foreign resume"},
	},
	{
		name:  "each user may delete",
		edits: []edit{{"proxy/grant/permissions.go", `p.check("remove", name, proxy.PermDelete)`, `p.check("remove", name, 0)`}},
		store: "embedded", patterns: []string{"rights"},
	},
	{
		name:  "files leave a mount without its permissions",
		edits: []edit{{"proxy/grant/mounts.go", `mt.check("rename", from, proxy.PermRename|proxy.PermRead|proxy.PermDelete)`, `mt.check("rename", from, 0)`}},
		store: "embedded", patterns: []string{"rights"},
	},
	{
		name: "SFTP: an upload is published at the connection's end",
		edits: []edit{{"proxy/sftp/upload.go", `	u.finish(err)
	if u.source != nil {`, `	u.content.Close(u.s.stored)
	u.finish(err)
	if u.source != nil {`}},
		store: "embedded", patterns: []string{"lost"},
	},
	{
		name: "SFTP: CLOSE is answered before the commit",
		edits: []edit{{"proxy/sftp/upload.go", `	q.Path = u.name // for the log`, `	q.Path = u.name
	if q.Type == packet.Close {
		u.s.answer(q, nil, nil)
		u.s.tasks.Go(func() { u.commit() })
		return nil
	}`}},
		store: "embedded", patterns: []string{"early"},
	},
	{
		name:  "SFTP: CLOSE is taken after a WRITE that failed",
		edits: []edit{{"proxy/sftp/reassembly/write.go", "u.place(q); err != nil {\n		return u.fail(err)", "u.place(q); err != nil {\n		return err"}},
		store: "embedded", patterns: []string{"failed write"},
	},
	{
		name:  "SFTP: an append to a free name replaces what has come there",
		edits: []edit{{"proxy/sftp/reassembly/source.go", `case s.appendsToFree() && !s.put.follows:`, `case s.appendsToFree() && s.put.follows:`}},
		store: "embedded", patterns: []string{"appends"},
	},
	{
		name: "SFTP: what a change in place keeps is not pinned to one version",
		edits: []edit{
			{"s3fs/download_stream.go", `IfMatch: &s.etag,`, ``},
			{"s3fs/download_stream.go", `if etag != unquote(&s.etag) || size != s.size {`, `if _ = etag; size != s.size {`},
			{"s3fs/upload_publish.go", `	if p.base != nil {
		cond.match = p.base.head.ETag`, `	if p.base != nil && p.mustBeNew {
		cond.match = p.base.head.ETag`},
		},
		store: "embedded", patterns: []string{"patch"},
	},
	{
		name:  "SFTP: a WRITE that goes back is taken",
		edits: []edit{{"proxy/sftp/reassembly/write.go", "	if q.offset < u.final {\n		return ErrBack", "	if q.offset < u.final {\n		q.offset = u.final"}},
		store: "embedded", patterns: []string{"patch"},
	},
	{
		name:  "SCP: the last answer is sent before the commit",
		edits: []edit{{"proxy/sftp/scp_receive.go", "	ended = true\n	if err := r.commit(u)", "	ended = true\n	r.ok()\n	if err := r.commit(u)"}},
		store: "embedded", patterns: []string{"scp"},
	},
	{
		name: "SCP: what stands for a file that the client could not read is published",
		edits: []edit{{"proxy/sftp/scp_receive.go", "	err = r.peer.Answer()\n", `	if err = r.peer.Answer(); errors.As(err, new(*scp.Refusal)) {
		err = nil
	}
`}},
		store: "embedded", patterns: []string{"scp"},
	},
}

// mostOps is the limit of operations for finding a fault: two rounds.
const mostOps = 80

// TestBrokenBuilds builds the program with each fault and must find it with the recorded seed. The program itself must pass with
// that seed.
func TestBrokenBuilds(t *testing.T) {
	slots := make(chan struct{}, 4) // they wait more than they work
	var all sync.WaitGroup
	for _, b := range brokenBuilds {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			t.Run(b.name, b.find)
		})
	}
	all.Wait()
}

func (b brokenBuild) find(t *testing.T) {
	seed := max(b.seed, 1)
	if *seedFlag != 0 {
		seed = *seedFlag
	}
	p := only(b.store, b.patterns...)
	w := newWorld(quietly{t}, b.build(t), seed, p)
	n := w.check(mostOps)
	found := w.violations()
	if len(found) == 0 {
		t.Errorf("seed %d finds nothing in %d operations", seed, n)
		return
	}
	first, _, _ := strings.Cut(found[0], "\n")
	t.Logf("found within %d operations: %s", n, first)
	w = newWorld(t, program, seed, p)
	w.check(n)
	w.report(t, n)
}

// quietly is a test that is expected to fail.
type quietly struct{ testing.TB }

func (quietly) Failed() bool { return false }

// TestEditsFit checks that all edits still apply to the source. It is quick, for use after a change of the program.
func TestEditsFit(t *testing.T) {
	for _, b := range brokenBuilds {
		t.Run(b.name, func(t *testing.T) { b.edited(t) })
	}
}

// edited returns the text of each edited file with the fault, by the file's path.
func (b brokenBuild) edited(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, e := range b.edits {
		path, err := filepath.Abs(filepath.Join("../..", e.file))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := texts[path]; !ok {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			texts[path] = string(text)
		}
		if n := strings.Count(texts[path], e.old); n != 1 {
			t.Fatalf("%s has this %d times, not once; adapt the edit in broken_test.go:\n%s", e.file, n, e.old)
		}
		texts[path] = strings.Replace(texts[path], e.old, e.new, 1)
	}
	return texts
}

// build builds the program with the fault.
func (b brokenBuild) build(t *testing.T) string {
	dir := t.TempDir()
	replace := map[string]string{}
	for path, text := range b.edited(t) {
		replaced := filepath.Join(dir, fmt.Sprintf("%d.go", len(replace)))
		if err := os.WriteFile(replaced, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[path] = replaced
	}
	overlay := filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		t.Fatal(err)
	}
	broken, err := build(dir, "s3ftpd", overlay)
	if err != nil {
		t.Fatal(err)
	}
	return broken
}
