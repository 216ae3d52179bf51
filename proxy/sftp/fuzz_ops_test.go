package sftp

import (
	"bytes"
	"math"
	"strings"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy/names"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// fuzzUnit is the number of bytes for which a byte of a program stands.
const fuzzUnit = 1000

// A fuzzOp is something that a program does. Its arguments are the next bytes of the program.
type fuzzOp struct {
	name string
	args int // bytes
	do   func(*fuzzSession)
}

// fuzzOps are the operations of a program, by the first byte of each. That byte plus 128 does not wait for the answer.
var fuzzOps = []fuzzOp{
	{"NEW", 1, func(f *fuzzSession) { f.open(f.path(), packet.FlagWrite|packet.FlagCreate|packet.FlagTrunc, -1) }},
	{"OPEN", 3, (*fuzzSession).openAny},
	{"WRITE", 3, (*fuzzSession).write},
	{"CLOSE", 1, func(f *fuzzSession) { f.close(f.handle()) }},
	{"READ", 3, (*fuzzSession).readAny},
	{"FSTAT", 1, func(f *fuzzSession) { f.ofHandle(packet.FStat, f.handle()) }},
	{"FSETSTAT", 2, (*fuzzSession).setHandle},
	{"STAT", 2, (*fuzzSession).stat},
	{"SETSTAT", 3, (*fuzzSession).setPath},
	{"OPENDIR", 1, (*fuzzSession).openDir},
	{"READDIR", 1, func(f *fuzzSession) { f.ofHandle(packet.ReadDir, f.handle()) }},
	{"REMOVE", 1, (*fuzzSession).remove},
	{"MKDIR", 1, (*fuzzSession).mkdir},
	{"RMDIR", 1, (*fuzzSession).rmdir},
	{"RENAME", 3, (*fuzzSession).rename},
	{"REALPATH", 2, (*fuzzSession).noChange},
	{"EXTENDED", 2, (*fuzzSession).extended},
	{"MANY", 2, (*fuzzSession).many},
	{"TIME", 1, func(f *fuzzSession) { <-time.After(time.Duration(f.next()) * time.Minute) }},
	{"FAULT", 2, (*fuzzSession).fault},
	{"PAUSE", 0, (*fuzzSession).pause},
	{"MALFORMED", 2, (*fuzzSession).malformed},
	{"HALF", 3, (*fuzzSession).half},
	{"CUT", 1, (*fuzzSession).lose},
}

// fuzzPaths are the paths of requests.
var fuzzPaths = []string{
	"/a", "/b", "/d/x", "/r", "/d", "/d/y", "c", "/e", "/", "/d/", "/d/../b", "~", "", "/a/z", "/bad\x01", "/\xff", "/" + strings.Repeat("long", 300),
}

func (f *fuzzSession) path() string { return fuzzPaths[int(f.next())%len(fuzzPaths)] }

// named returns the name of a path; false = it is none.
func named(path string) (name string, ok bool) {
	name, err := names.Resolve("/", path)
	return name, err == nil
}

// handle returns an open handle, or for large bytes of the program one that is not open.
func (f *fuzzSession) handle() *fuzzHandle {
	b := int(f.next())
	wrong := []string{"", "0", "nonsense", strings.Repeat("h", 256), "-1", "999"}
	switch {
	case b >= 240 && len(f.gone) > 0:
		return &fuzzHandle{number: f.gone[b%len(f.gone)], wrong: true}
	case b >= 230 || len(f.handles) == 0:
		return &fuzzHandle{number: wrong[b%len(wrong)], wrong: true}
	}
	return f.handles[b%len(f.handles)]
}

// send sends a request.
func (f *fuzzSession) send(q *sentRequest, values ...any) {
	f.id++
	q.id, q.at = f.id, time.Now()
	f.sent = append(f.sent, q)
	f.note("%d %v %s", q.id, q.kind, shortValues(values))
	body := append([]byte{byte(q.kind)}, fields(append([]any{int(q.id)}, values...)...)...)
	f.out <- append(fields(len(body)), body...)
}

func (f *fuzzSession) openAny() {
	path, flags, size := f.path(), int(f.next()), -1
	if b := int(f.next()); b >= 128 {
		size = (b - 128) * fuzzUnit
	}
	f.open(path, flags&63, size)
}

// open sends OPEN with a size, -1 = none.
func (f *fuzzSession) open(path string, flags, size int) {
	name, ok := named(path)
	q := &sentRequest{kind: packet.Open}
	q.apply = func(a answer, opened bool) {
		if !opened {
			return
		}
		if !ok {
			f.Errorf("%q is opened", path)
		}
		body := cursor(a.body)
		h := &fuzzHandle{number: body.text(), name: name, last: time.Now()}
		h.open(f, flags)
		if size >= 0 && h.writes {
			h.plain, h.required = false, size
		}
		f.handles = append(f.handles, h)
		f.opened = append(f.opened, h)
	}
	if size < 0 {
		f.send(q, path, flags, 0)
		return
	}
	f.send(q, path, flags, 1, int64(size))
}

// open sets what OPEN has found.
func (h *fuzzHandle) open(f *fuzzSession, flags int) {
	isSet := func(flag int) bool { return flags&flag != 0 }
	h.writes = isSet(packet.FlagWrite) || isSet(packet.FlagAppend) || !isSet(packet.FlagRead) && isSet(packet.FlagCreate)
	h.appends = isSet(packet.FlagAppend)
	if isSet(packet.FlagTrunc) || isSet(packet.FlagExcl) && isSet(packet.FlagCreate) {
		if h.writes {
			h.plain = isSet(packet.FlagCreate) && len(h.name) < 1000 && !isSet(packet.FlagExcl) && !h.appends && !f.faults && f.budget.Stats().Size >= 8<<20
			return
		}
	}
	base, known := f.model.only(h.name)
	h.base, h.vague = base, !known
	defer func() { h.follows = h.appends && h.base == nil }()
	if known && base == nil && h.writes {
		e, err := f.store.Stat(f.Context(), h.name)
		h.vague = !f.single
		if err == nil && e.Resumable && (!h.appends || f.served.reported.has(h.name, e.ETag)) {
			h.base, h.resumes = &version{data: bytes.Clone(f.store.Resumable[h.name])}, true
		}
	}
	if h.base != nil {
		h.content = bytes.Clone(h.base.data)
	}
}

// at returns a number of 64 bits.
func (c cursor) at() int64 { return c.long() }

func (f *fuzzSession) write() {
	h := f.handle()
	b, n := f.next(), int(f.next())*fuzzUnit/2
	offset := int64(len(h.content))
	switch {
	case b == 255:
		offset = math.MaxInt64
	case b == 254:
		offset = -1
	case b&1 == 1:
		offset = int64(b) * fuzzUnit
	}
	f.letter++
	data := bytes.Repeat([]byte{'a' + f.letter%26}, n)
	if b&1 == 0 && b < 254 && !h.wrong { // behind what was sent before
		offset = max(offset, h.sent)
		h.sent = offset + int64(n)
	}
	q := &sentRequest{kind: packet.Write, handle: h, lost: func() { h.vague = true }}
	q.apply = func(_ answer, ok bool) {
		if valid := offset >= 0 && offset < 1<<40 || h.appends || n == 0; ok && (h.wrong || !h.writes || !valid) {
			f.Errorf("WRITE at %d to %+v succeeds", offset, h)
			return
		}
		if silent := q.at.Sub(h.last); ok && h.wrote && silent > fuzzStall && n > 0 {
			f.Errorf("WRITE succeeds after %v without one", silent)
		}
		if plain := h.plain; h.writes {
			h.write(offset, data, ok)
			if plain && h.plain && !ok && len(f.handles) < 10 {
				f.Errorf("WRITE to a new file fails at %d", offset)
			}
		}
	}
	f.send(q, h.number, offset, string(data))
}

func (f *fuzzSession) close(h *fuzzHandle) {
	for i, other := range f.handles {
		if other == h {
			f.handles = append(f.handles[:i:i], f.handles[i+1:]...)
			f.gone = append(f.gone, h.number)
		}
	}
	q := &sentRequest{kind: packet.Close, handle: h}
	if h.writes {
		q.touch = []string{h.name}
		q.lost = func() {
			f.closes++
			f.model.may(h.name, h.closed(f.model)...)
		}
	}
	q.apply = func(a answer, ok bool) {
		switch {
		case h.wrong && ok:
			f.Errorf("CLOSE of handle %q is answered OK", h.number)
		case ok && h.writes:
			f.checkClosed(q)
			f.closes++
			f.model.set(h.name, h.closed(f.model)...)
		case !ok && h.plain && !f.faults && q.at.Sub(h.last) < fuzzStall/2 && f.single:
			f.Errorf("CLOSE of a new file is answered %v", a)
		}
	}
	f.send(q, h.number)
}

// checkClosed checks that CLOSE had no reason to fail.
func (f *fuzzSession) checkClosed(q *sentRequest) {
	switch h := q.handle; {
	case h.failed:
		f.Errorf("CLOSE of %s is OK after a request that failed", h.name)
	case !h.vague && len(h.content) < h.required:
		f.Errorf("CLOSE of %s is OK with %d bytes of %d", h.name, len(h.content), h.required)
	case h.wrote && q.at.Sub(h.last) > fuzzStall:
		f.Errorf("CLOSE of %s is OK after %v without a WRITE", h.name, q.at.Sub(h.last))
	}
}

func (f *fuzzSession) readAny() {
	h := f.handle()
	offset, n := int64(f.next())*fuzzUnit, int(f.next())*fuzzUnit*2
	if offset == 255*fuzzUnit {
		offset, n = -1, math.MaxInt32
	}
	f.send(&sentRequest{kind: packet.Read, handle: h, most: n, apply: func(a answer, ok bool) {
		now, known := f.model.only(h.name)
		if h.wrong || h.writes || h.vague || !known || now != h.base || h.base == nil {
			if ok && h.wrong {
				f.Errorf("READ of %+v succeeds", h)
			}
			if ok && h.writes && !h.vague && h.base != nil && now == h.base && f.single {
				body, rest := cursor(a.body), h.base.data[min(len(h.base.data), int(offset)):]
				if !strings.HasPrefix(string(rest), body.text()) {
					f.Errorf("READ at %d of %+v gets other bytes than the file had", offset, h)
				}
			}
			return
		}
		data := h.base.data
		switch isEnd := offset < 0 || offset >= int64(len(data)); {
		case isEnd && a.String() != "EOF":
			f.Errorf("READ at %d of %d bytes: %v", offset, len(data), a)
		case ok && !isEnd:
			body := cursor(a.body)
			want := data[offset:min(len(data), int(offset)+min(n, packet.MaxData))]
			if got := body.text(); got != string(want) && f.single {
				f.Errorf("READ at %d gets %d bytes, want %d", offset, len(got), len(want))
			}
		case !ok && !isEnd && !f.faults && f.single: // else another request may have replaced the file
			f.Errorf("READ at %d of %d bytes: %v", offset, len(data), a)
		}
	}}, h.number, offset, n)
}

// ofHandle sends a request that has only a handle.
func (f *fuzzSession) ofHandle(kind packet.Type, h *fuzzHandle) {
	q := &sentRequest{kind: kind, handle: h}
	q.apply = func(a answer, ok bool) {
		stalled := h.wrote && q.at.Sub(h.last) >= fuzzStall // its size is what can be resumed
		switch isFile := kind == packet.FStat && ok && h.plain && !h.failed && !stalled; {
		case h.wrong && a.String() != "FAILURE Unknown handle.":
			f.Errorf("%v of %q: %v", kind, h.number, a)
		case isFile && cursor(a.body[4:]).at() != int64(len(h.content)):
			f.Errorf("FSTAT after %d bytes: %v", len(h.content), a)
		}
	}
	f.send(q, h.number)
}

// attributes returns attributes that are encoded, with the size and the time in them; -1 = none.
func (f *fuzzSession) attributes() (encoded []byte, size int64, modTime int) {
	b := int(f.next())
	size, modTime = -1, -1
	flags, values := b&4, []any{}
	if b&1 != 0 {
		size = int64(b) * fuzzUnit
		flags, values = flags|1, append(values, size)
	}
	if b&4 != 0 {
		values = append(values, 0o600)
	}
	if b&2 != 0 {
		modTime = b
		flags, values = flags|8, append(values, b, b)
	}
	return fields(append([]any{flags}, values...)...), size, modTime
}

// set is a FSETSTAT.
func (h *fuzzHandle) set(size int64, modTime int, ok bool) {
	if modTime >= 0 {
		h.modTime = int64(modTime)
	}
	if size >= 0 {
		h.resize(int(size), ok)
	}
}

func (f *fuzzSession) setHandle() {
	h := f.handle()
	encoded, size, modTime := f.attributes()
	f.send(&sentRequest{kind: packet.FSetStat, handle: h, apply: func(_ answer, ok bool) {
		if h.wrong && ok {
			f.Errorf("FSETSTAT of %q succeeds", h.number)
		}
		if h.writes {
			h.set(size, modTime, ok)
		}
	}}, h.number, encoded)
}

// fault makes the store fail or wait, or work again.
func (f *fuzzSession) fault() {
	f.faults = true
	name, _ := named(f.path())
	f.store.Lock()
	switch b := f.next(); b % 6 {
	case 0:
		f.store.Fail[name] = storetest.ErrDown
	case 1:
		f.store.Breaks[name] = int(b)
	case 2, 3:
		f.store.Slow[name] = 30 * time.Second
	case 4:
		clear(f.store.Fail)
		clear(f.store.Breaks)
		clear(f.store.Slow)
	case 5:
		if b >= 200 {
			f.store.Fail[name], f.panics = storetest.ErrPanic, true
		}
	}
	f.store.Unlock()
	<-time.After(time.Minute)
}
