package sftp

import (
	"fmt"
	"maps"
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
//	!   what is there before: "! file NAME DATA", "! resumable NAME DATA", "! fail NAME", "! may list,read", "! home DIR",
//	    "! keep BYTES"
//	C>  a request of the client, see request; "as NAME" at its end names the handle of the answer
//	S>  the answer to the oldest request without one, see answer.String; a star at the end stands for any text
//	C.  the client closes the channel
//	T>  time passes
//	=>  what the store has at the end: "NAME DATA", or "NAME resumable SIZE"; all files must be named
//
// DATA is a*100+b for a hundred times a, and one b.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/transcripts/*.sftp")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".sftp"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) { play(t, string(text)) })
		})
	}
}

// A script is a transcript that is played.
type script struct {
	*client
	t       *testing.T
	store   *storetest.Memory
	setups  []setup
	open    []pending         // requests without an answer
	handles map[string]string // of the server, by the names of the script
	closed  bool
	want    []string // the lines about the store
}

// A pending request waits for its answer.
type pending struct {
	id uint32
	as string // the name of its handle
}

func play(t *testing.T, text string) {
	s := &script{t: t, store: storetest.NewMemory(), handles: map[string]string{}}
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
	case "C>":
		return s.ask(strings.Fields(rest))
	case "C.":
		s.close()
	case "S>":
		s.expect(rest)
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

// close closes the channel, once.
func (s *script) close() {
	if !s.closed {
		s.closed = true
		s.client.close()
	}
}

var permissionNames = map[string]proxy.Permissions{
	"list": proxy.PermList, "read": proxy.PermRead, "write": proxy.PermWrite, "overwrite": proxy.PermOverwrite, "delete": proxy.PermDelete,
	"rename": proxy.PermRename, "mkdir": proxy.PermMkdir,
}

func (s *script) prepare(words []string) bool {
	switch words[0] {
	case "file":
		s.store.Files[words[1]] = storetest.MemoryFile{Name: words[1], Data: []byte(lengthen(words[2])), Time: time.Unix(1_000_000_000, 0)}
	case "dir":
		s.store.Files[words[1]+"/"] = storetest.MemoryFile{Name: words[1] + "/"}
	case "resumable":
		s.store.Resumable[words[1]] = []byte(lengthen(words[2]))
	case "fail":
		s.store.Fail[words[1]] = storetest.ErrDown
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
		return false
	}
	return true
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

// ask sends a request. Its words are the name and the fields; flags of OPEN are R, W, A, C, T and X; attributes are size=N, mtime=N.
func (s *script) ask(words []string) bool {
	p := pending{}
	if n := len(words); n > 2 && words[n-2] == "as" {
		p.as, words = words[n-1], words[:n-2]
	}
	name, args := words[0], words[1:]
	var values []any
	kind, isPath := paths[name]
	if isPath {
		for _, arg := range args {
			values = append(values, arg)
		}
	} else if kind = ofHandle[name]; kind != 0 {
		values = []any{s.handles[args[0]]}
	} else if kind, values = s.other(name, args); kind == 0 {
		return false
	}
	p.id = s.request(kind, values...)
	s.open = append(s.open, p)
	return true
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
		return packet.Read, []any{s.handles[args[0]], number(1), int(number(2))}
	case name == "WRITE":
		return packet.Write, []any{s.handles[args[0]], number(1), lengthen(args[2])}
	case name == "SETSTAT":
		return packet.SetStat, []any{args[0], encodeAttributes(args[1:])}
	case name == "MKDIR":
		return packet.Mkdir, []any{args[0], encodeAttributes(args[1:])}
	case name == "FSETSTAT":
		return packet.FSetStat, []any{s.handles[args[0]], encodeAttributes(args[1:])}
	case name == "fsync@openssh.com":
		return packet.Extended, []any{name, s.handles[args[0]]}
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

// expect compares the answer to the oldest request.
func (s *script) expect(want string) {
	if len(s.open) == 0 {
		s.t.Error("no request waits for an answer")
		return
	}
	p := s.open[0]
	s.open = s.open[1:]
	got := s.await(p.id).String()
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
	var got []string
	for _, name := range slices.Sorted(maps.Keys(s.store.Files)) {
		line := name
		if f := s.store.Files[name]; !f.IsDir() {
			line = strings.TrimRight(name+" "+shorten(string(f.Data)), " ")
		}
		got = append(got, line)
	}
	for _, name := range slices.Sorted(maps.Keys(s.store.Resumable)) {
		got = append(got, fmt.Sprintf("%s resumable %d", name, len(s.store.Resumable[name])))
	}
	if len(got) == 0 {
		got = []string{"nothing"}
	}
	if !slices.Equal(got, s.want) {
		s.t.Errorf("the store has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(s.want, "\n"))
	}
}
