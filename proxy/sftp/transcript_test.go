package sftp

import (
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/grant"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// TestTranscripts plays the transcripts in testdata/transcripts, each in a bubble. The first line says which behaviour it shows. Then
// lines begin with
//
//	!   what is there before: "! file NAME DATA", "! resumable NAME DATA", "! dir NAME", "! fail NAME", "! slow NAME DURATION" (to
//	    publish); "! may list,read", "! home DIR", "! keep BYTES", "! quota BYTES"; later, what another client does
//	C>  a request of the client, see ask; "as NAME" at its end names the handle of the answer; a handle without a name is sent as it is
//	C-  a request whose last byte is missing, as its length says
//	C+  a request with one byte more
//	C/  the first half of a request
//	S>  the answer to the oldest request without one, see answer.String; a star at the end stands for any text
//	S2> the answer to the second oldest, while the oldest has none
//	C.  the client closes the channel
//	C!  the connection is lost
//	S.  the server ends the channel; the next request is sent on a new one
//	T>  time passes
//	=>  what the store has at the end: "NAME DATA", or "NAME resumable SIZE", of which the last 5 MiB may be missing on S3; all must be
//	    named
//
// DATA is a*100+b for a hundred times a, and one b.
func TestTranscripts(t *testing.T) {
	for name, text := range scripts(t, transcripts) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { play(t, memoryStore{storetest.NewMemory()}, text) })
		})
	}
}

// transcripts are the files of TestTranscripts.
const transcripts = "transcripts/*.sftp"

// scripts returns the names and texts of the files that match a pattern in testdata.
func scripts(t *testing.T, pattern string) iter.Seq2[string, string] {
	files, err := filepath.Glob("testdata/" + pattern)
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	return func(yield func(string, string) bool) {
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !yield(strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), string(text)) {
				return
			}
		}
	}
}

// A script is a transcript that is played.
type script struct {
	*client
	t       *testing.T
	store   scriptStore
	setups  []setup
	open    []pending         // requests without an answer
	handles map[string]string // of the server, by the names of the script
	form    byte              // of the next request: the second byte of its line
	want    []string          // the lines about the store
}

// A pending request waits for its answer.
type pending struct {
	id uint32
	as string // the name of its handle

	texts int // before the hashes in the answer; 0 = it has none
}

func play(t *testing.T, store scriptStore, text string) {
	s := &script{t: t, store: store, handles: map[string]string{}}
	s.setups = append(s.setups, func(_ *Server, a *proxy.Account) { a.Store = s.store })
	defer func() { // also after a failure
		if s.client != nil {
			s.close()
		}
	}()
	for i, line := range strings.Split(text, "\n") {
		kind, rest, _ := strings.Cut(line, " ")
		if i > 0 && line != "" && !s.line(kind, strings.TrimLeft(rest, " ")) {
			t.Fatalf("line %d: %q is not understood", i+1, line)
		}
		if t.Failed() {
			t.Fatalf("in line %d: %s", i+1, line)
		}
	}
	if s.client != nil {
		s.close()
	}
	s.checkStore()
}

func (s *script) line(kind, rest string) bool {
	if s.client == nil && kind != "!" && kind != "=>" {
		s.client = newClient(s.t, s.setups...)
	}
	switch kind {
	case "!":
		return s.prepare(strings.Fields(rest))
	case "C>", "C-", "C+", "C/":
		s.form = kind[1]
		return s.ask(strings.Fields(rest))
	case "C.":
		s.close()
	case "C!":
		s.served.socket.end(errClientClosed)
		s.close()
	case "S>":
		s.expect(0, rest)
	case "S2>":
		s.expect(1, rest)
	case "S.":
		s.awaitEnd()
	case "T>":
		d, err := time.ParseDuration(rest)
		<-time.After(d)
		return err == nil
	case "=>":
		s.want = append(s.want, rest)
	default:
		return false
	}
	return true
}

// close closes the channel. The next request is sent on a new one.
func (s *script) close() {
	s.client.close()
	s.client, s.open = nil, nil
}

// awaitEnd waits until the server ends the channel because of an error.
func (s *script) awaitEnd() {
	if a, ok := <-s.answers; ok {
		s.t.Errorf("the channel goes on with %v", a)
	}
	if err := s.client.close(); err == nil {
		s.t.Error("the channel ends without an error")
	}
	s.client, s.open = nil, nil
}

var permissionNames = map[string]proxy.Permissions{
	"list": proxy.PermList, "read": proxy.PermRead, "write": proxy.PermWrite, "overwrite": proxy.PermOverwrite, "delete": proxy.PermDelete,
	"rename": proxy.PermRename, "mkdir": proxy.PermMkdir,
}

func (s *script) prepare(words []string) bool {
	switch words[0] {
	case "quota":
		s.setups = append(s.setups, func(_ *Server, a *proxy.Account) { a.Store = s.limited(words[1]) })
	case "keep":
		s.setups = append(s.setups, func(srv *Server, _ *proxy.Account) { fmt.Sscan(words[1], &srv.Keep) })
	case "home":
		s.setups = append(s.setups, func(_ *Server, a *proxy.Account) { a.Home = words[1] })
	case "may":
		var allowed proxy.Permissions
		for name := range strings.SplitSeq(words[1], ",") {
			allowed |= permissionNames[name]
		}
		s.setups = append(s.setups, func(_ *Server, a *proxy.Account) { a.Store = grant.Permissions(a.Store, grant.Rules{Allowed: allowed}) })
	default:
		return s.store.prepare(s.t, words[0], words[1], lengthen(strings.Join(words[2:], " ")))
	}
	return true
}

// limited returns the store with a quota.
func (s *script) limited(bytes string) proxy.Store {
	var n int64
	fmt.Sscan(bytes, &n)
	q := &grant.Quota{Usages: grant.NewUsages(s.t.Context())}
	s.t.Cleanup(q.Usages.Close)
	q.Set(n, 0, grant.Place{Bucket: s.store, Dir: "/", Usage: func(ctx context.Context) (int64, int64, error) { return s.store.Usage(ctx, "/") }})
	return q.Limit(s.store, s.store, "/")
}

var flagLetters = map[rune]int{
	'R': packet.FlagRead, 'W': packet.FlagWrite, 'A': packet.FlagAppend, 'C': packet.FlagCreate, 'T': packet.FlagTrunc, 'X': packet.FlagExcl,
}

// paths are the requests whose fields are paths.
var paths = map[string]packet.Type{
	"STAT": packet.Stat, "LSTAT": packet.LStat, "OPENDIR": packet.OpenDir, "REMOVE": packet.Remove, "RMDIR": packet.Rmdir,
	"REALPATH": packet.RealPath, "RENAME": packet.Rename, "READLINK": packet.ReadLink, "SYMLINK": packet.Symlink,
}

// ofHandle are the requests with only a handle.
var ofHandle = map[string]packet.Type{"CLOSE": packet.Close, "FSTAT": packet.FStat, "READDIR": packet.ReadDir}

// textsOfSums are the requests for hashes, and the texts before those.
var textsOfSums = map[string]int{"check-file": 2, "check-file-name": 1, "check-file-handle": 1}

// ask sends a request. Its words are the name and the fields; flags of OPEN are R, W, A, C, T and X; attributes are size=N, mtime=N.
func (s *script) ask(words []string) bool {
	p := pending{}
	if n := len(words); n > 2 && words[n-2] == "as" {
		p.as, words = words[n-1], words[:n-2]
	}
	name, args := words[0], words[1:]
	p.texts = textsOfSums[name]
	var values []any
	kind, isPath := paths[name]
	if isPath {
		for _, arg := range args {
			values = append(values, arg)
		}
	} else if kind = ofHandle[name]; kind != 0 {
		values = []any{s.handle(args[0])}
	} else if kind, values = s.other(name, args); kind == 0 {
		return false
	}
	p.id = s.sendForm(kind, values...)
	s.open = append(s.open, p)
	return true
}

// sendForm sends a request in the form of its line.
func (s *script) sendForm(kind packet.Type, values ...any) (id uint32) {
	s.id++
	body := append([]byte{byte(kind)}, fields(append([]any{int(s.id)}, values...)...)...)
	switch s.form {
	case '-':
		body = body[:len(body)-1]
	case '+':
		body = append(body, 'x')
	}
	sent := append(fields(len(body)), body...)
	if s.form == '/' {
		sent = sent[:len(sent)/2]
	}
	s.conn.Write(sent) // if the server has left, the answer will be missing
	return s.id
}

// handle returns the handle of the server with a name of the script.
func (s *script) handle(name string) string {
	if number, ok := s.handles[name]; ok {
		return number
	}
	return name
}

// other returns the type and the fields of a request.
func (s *script) other(name string, args []string) (packet.Type, []any) {
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(args[i], 10, 64)
		return n
	}
	switch {
	case name == "OPEN":
		flags := 0
		for _, letter := range args[1] {
			flags |= flagLetters[letter]
		}
		return packet.Open, []any{args[0], flags, encodeAttributes(args[2:])}
	case name == "READ":
		return packet.Read, []any{s.handle(args[0]), number(1), int(number(2))}
	case name == "WRITE":
		return packet.Write, []any{s.handle(args[0]), number(1), lengthen(args[2])}
	case name == "SETSTAT":
		return packet.SetStat, []any{args[0], encodeAttributes(args[1:])}
	case name == "MKDIR":
		return packet.Mkdir, []any{args[0], encodeAttributes(args[1:])}
	case name == "FSETSTAT":
		return packet.FSetStat, []any{s.handle(args[0]), encodeAttributes(args[1:])}
	case name == "check-file-name":
		return packet.Extended, []any{name, args[0], args[1], number(2), number(3), int(number(4))}
	case name == "check-file-handle" || name == "check-file":
		return packet.Extended, []any{name, s.handle(args[0]), args[1], number(2), number(3), int(number(4))}
	case name == "copy-data":
		return packet.Extended, []any{name, s.handle(args[0]), number(1), number(2), s.handle(args[3]), number(4)}
	case name == "vendor-id":
		return packet.Extended, []any{name, args[0], args[1], args[2], number(3)}
	case name == "fsync@openssh.com" || name == "fstatvfs@openssh.com":
		return packet.Extended, []any{name, s.handle(args[0])}
	case name == "lsetstat@openssh.com":
		return packet.Extended, []any{name, args[0], encodeAttributes(args[1:])}
	case strings.Contains(name, "@") || name == "home-directory":
		values := []any{name}
		for _, arg := range args {
			values = append(values, strings.TrimSuffix(arg, `""`))
		}
		return packet.Extended, values
	}
	n, err := strconv.Atoi(name)
	if err != nil {
		return 0, nil
	}
	return packet.Type(n), nil
}

// encodeAttributes encodes attributes of the form size=5 mtime=6 mode=644.
func encodeAttributes(words []string) []byte {
	set := map[string]int64{}
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		set[key], _ = strconv.ParseInt(value, 0, 64)
	}
	flags, values := 0, []any{}
	if size, ok := set["size"]; ok {
		flags, values = flags|1, append(values, size)
	}
	if mode, ok := set["mode"]; ok {
		flags, values = flags|4, append(values, int(mode))
	}
	if mtime, ok := set["mtime"]; ok {
		flags, values = flags|8, append(values, int(mtime), int(mtime))
	}
	return fields(append([]any{flags}, values...)...)
}

// expect compares the answer to a request: the oldest without an answer, or the one after it while the oldest still waits.
func (s *script) expect(i int, want string) {
	if len(s.open) <= i {
		s.t.Error("no request waits for an answer")
		return
	}
	p := s.open[i]
	s.open = slices.Delete(s.open, i, i+1)
	a := s.await(p.id)
	got := a.String()
	if p.texts > 0 {
		got = a.sums(p.texts)
	}
	if i > 0 {
		if a, answered := s.early[s.open[0].id]; answered {
			s.t.Errorf("the answer to the oldest request comes first: %v", a)
		}
	}
	if handle, ok := strings.CutPrefix(got, "HANDLE "); ok {
		s.handles[p.as] = handle
		got = "HANDLE"
	}
	if prefix, ok := strings.CutSuffix(want, "*"); got != want && !(ok && strings.HasPrefix(got, prefix)) {
		s.t.Errorf("the answer is %s", got)
	}
}

// checkStore compares the store with the lines about it.
func (s *script) checkStore() {
	if len(s.want) == 0 {
		return
	}
	var want, names []string
	sizes := make(map[string]int64)
	for _, line := range s.want {
		words := strings.Fields(line)
		names = append(names, words[0])
		if len(words) == 3 && words[1] == "resumable" {
			sizes[words[0]], _ = strconv.ParseInt(words[2], 10, 64)
		} else if line != "nothing" {
			want = append(want, line)
		}
	}
	if got := s.store.contents(s.t); !slices.Equal(got, want) {
		s.t.Errorf("the store has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	got := s.store.resumable(s.t, names)
	for name := range got {
		names = append(names, name)
	}
	for _, name := range names {
		if got[name] > sizes[name] || got[name] < sizes[name]-s.store.lost() {
			s.t.Errorf("%d bytes of %s can be resumed, want %d", got[name], name, sizes[name])
		}
	}
}
