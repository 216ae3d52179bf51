package sftp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/s3ftpd/s3ftpd/proxy/names"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
)

// stat sends STAT, LSTAT or OPENDIR's relatives, which change nothing.
func (f *fuzzSession) stat() {
	path, kind := f.path(), packet.Stat
	if f.next()&1 != 0 {
		kind = packet.LStat
	}
	name, _ := named(path)
	f.send(&sentRequest{kind: kind, apply: func(a answer, ok bool) {
		v, known := f.model.only(name)
		if ok && known && v != nil && f.single && !strings.HasSuffix(path, "/") && cursor(a.body[4:]).at() != int64(len(v.data)) {
			f.Errorf("STAT of %s, which has %v: %v", name, v, a)
		}
	}}, path)
}

// setPath sends SETSTAT or lsetstat@openssh.com. For a name that is written, it is a FSETSTAT of the last handle.
func (f *fuzzSession) setPath() {
	path, kind := f.path(), f.next()
	encoded, size, modTime := f.attributes()
	name, valid := named(path)
	q := &sentRequest{kind: packet.SetStat, touch: []string{name}}
	unknown := func() {
		for _, h := range f.opened {
			if h.name == name {
				h.vague, h.plain = true, false
			}
		}
		f.model.set(name, anything)
	}
	q.lost = func() {
		f.closes++
		unknown()
	}
	q.apply = func(_ answer, ok bool) {
		if ok && size >= 0 {
			f.closes++ // it may have published the file with another size
		}
		if !valid {
			return
		}
		if !f.single {
			unknown()
			return
		}
		for i := len(f.handles) - 1; i >= 0; i-- {
			if h := f.handles[i]; h.writes && h.name == name && !h.replaced {
				h.set(size, modTime, ok)
				return
			}
		}
		if v, _ := f.model.only(name); ok && v != nil && v != anything {
			f.model.set(name, v.resized(size, modTime))
		}
	}
	if kind&1 != 0 {
		q.kind = packet.Extended
		f.send(q, "lsetstat@openssh.com", path, encoded)
		return
	}
	f.send(q, path, encoded)
}

func (f *fuzzSession) openDir() {
	path := f.path()
	f.send(&sentRequest{kind: packet.OpenDir, apply: func(a answer, ok bool) {
		if ok {
			body := cursor(a.body)
			f.handles = append(f.handles, &fuzzHandle{number: body.text(), vague: true})
		}
	}}, path)
}

// onPath sends a request with one path that makes a name have a version; nil = none.
func (f *fuzzSession) onPath(kind packet.Type, suffix string, v *version, more ...any) {
	path := f.path()
	name, _ := named(path)
	name += suffix
	f.send(&sentRequest{
		kind: kind, touch: []string{name}, lost: func() { f.model.may(name, v) },
		apply: func(_ answer, ok bool) {
			if ok {
				f.model.set(name, v)
			}
		},
	}, append([]any{path}, more...)...)
}

func (f *fuzzSession) remove() { f.onPath(packet.Remove, "", nil) }
func (f *fuzzSession) mkdir()  { f.onPath(packet.Mkdir, "/", &version{}, 0) }
func (f *fuzzSession) rmdir()  { f.onPath(packet.Rmdir, "/", nil) }

func (f *fuzzSession) rename() {
	paths, replace := [2]string{f.path(), f.path()}, f.next()&1 != 0
	from, _ := named(paths[0])
	to, _ := named(paths[1])
	q := &sentRequest{
		kind: packet.Rename, touch: []string{from, to}, lost: func() { f.model.rename(from, to, true) },
		apply: func(_ answer, ok bool) {
			if ok {
				f.model.rename(from, to, false)
				f.replaced(from, to)
			}
		},
	}
	if replace {
		q.kind = packet.Extended
		f.send(q, "posix-rename@openssh.com", paths[0], paths[1])
		return
	}
	f.send(q, paths[0], paths[1])
}

// replaced notes that another file has got a name.
func (f *fuzzSession) replaced(from, to string) {
	for _, h := range f.handles {
		h.replaced = h.replaced || from != to && names.IsWithin(to, h.name)
	}
}

// noChange sends REALPATH, READLINK, SYMLINK, INIT, or a request of an unknown type.
func (f *fuzzSession) noChange() {
	path := f.path()
	kind := []packet.Type{packet.RealPath, packet.ReadLink, packet.Symlink, packet.Init, 21, 201, 0, 255}[f.next()%8]
	values := []any{path}
	if kind == packet.Symlink {
		values = append(values, path)
	}
	f.send(&sentRequest{kind: kind}, values...)
}

// extended sends EXTENDED.
func (f *fuzzSession) extended() {
	b, path := f.next(), f.path()
	values := [][]any{
		{"statvfs@openssh.com", path}, {"limits@openssh.com"}, {"expand-path@openssh.com", path}, {"home-directory", path}, {"home-directory", ""},
		{"users-groups-by-id@openssh.com", fields(8, 0, 1), fields(4, 7)}, {"unknown@example.com", path},
	}
	if i := int(b) % 8; i < len(values) {
		f.send(&sentRequest{kind: packet.Extended}, values[i]...)
		return
	}
	h := f.handle()
	f.send(&sentRequest{kind: packet.Extended, handle: h}, "fsync@openssh.com", h.number)
}

// many opens many handles, without waiting for answers.
func (f *fuzzSession) many() {
	path, n := f.path(), f.next()
	for range n % 140 {
		if n&1 == 0 {
			f.open(path, packet.FlagRead, -1)
		} else {
			f.open(path, packet.FlagWrite|packet.FlagCreate, -1)
		}
	}
}

// malformed sends a packet that cannot be parsed.
func (f *fuzzSession) malformed() {
	b := f.next()
	kind := packet.Type(f.next() % 21)
	if kind < packet.Open || kind == packet.RealPath { // REALPATH may have more fields
		kind = packet.Extended
	}
	f.id++
	bodies := [][]byte{
		nil, fields(5), fields(-1), append(fields("posix-rename@openssh.com"), 'x'), make([]byte, packet.MaxSize),
		fields("x", "x", "x", []byte("more")), fields("h", int64(0), 5, []byte("four")), fields(300, strings.Repeat("h", 300)),
	}
	if kind == packet.Extended { // one that is not known may have any fields
		bodies = bodies[:5]
	}
	body := bodies[int(b)%len(bodies)]
	f.sent = append(f.sent, &sentRequest{id: f.id, kind: kind, optional: true})
	body = append(append([]byte{byte(kind)}, fields(int(f.id))...), body...)
	if b >= 200 {
		body = body[:b%4]
	}
	f.out <- append(fields(len(body)), body...)
	f.over, f.invalid = true, true
}

// half sends the beginning of a WRITE, and closes the channel.
func (f *fuzzSession) half() {
	h := f.handle()
	f.id++
	h.failed, h.plain = true, false
	data := strings.Repeat("H", 5*fuzzUnit)
	body := append([]byte{byte(packet.Write)}, fields(int(f.id), h.number, int64(len(h.content)), data)...)
	packet := append(fields(len(body)), body...)
	n := 1 + (int(f.next())<<8+int(f.next()))%(len(packet)-1)
	f.sent = append(f.sent, &sentRequest{id: f.id, kind: 6, optional: true})
	f.out <- packet[:n]
	f.over, f.invalid = true, true
}

// lose loses the connection.
func (f *fuzzSession) lose() {
	f.over, f.cut = true, true
	if f.next()&1 == 0 {
		f.conn.Close()
		return
	}
	f.served.socket.end(errClosed)
}

// readAnswer reads an answer.
func readAnswer(r io.Reader) (answer, error) {
	var head [9]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return answer{}, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size < 5 || size > packet.MaxSize {
		return answer{}, fmt.Errorf("an answer of %d bytes", size)
	}
	body := make([]byte, size-5)
	if _, err := io.ReadFull(r, body); err != nil {
		return answer{}, io.ErrUnexpectedEOF
	}
	return answer{head[4], binary.BigEndian.Uint32(head[5:]), body}, nil
}

// answerKinds are the types of answers beside STATUS, by the type of the request.
var answerKinds = map[packet.Type]byte{
	packet.Open: 102, packet.OpenDir: 102, packet.Read: 103, packet.ReadDir: 104, packet.RealPath: 104, packet.Stat: 105, packet.LStat: 105,
	packet.FStat: 105, packet.Extended: 201,
}

// checkAnswer checks that an answer is well-formed and fits its request. It returns whether it is OK, or has what was asked for.
func (f *fuzzSession) checkAnswer(q *sentRequest, a answer) (ok bool) {
	defer func() {
		if v := recover(); v != nil {
			f.Errorf("the answer to %v, %d %q, is not well-formed: %v", q.kind, a.kind, a.body, v)
		}
	}()
	text, rest := a.parse()
	if len(rest) > 0 {
		f.Errorf("the answer to %v, %s, has %d bytes more", q.kind, text, len(rest))
	}
	if want := answerKinds[q.kind]; a.kind != 101 && a.kind != want && !(q.kind == packet.Extended && a.kind == 104) {
		f.Errorf("%v gets an answer of type %d", q.kind, a.kind)
	}
	if a.kind == 103 && len(a.body)-4 > min(q.most, packet.MaxData) {
		f.Errorf("READ of %d bytes gets %d", q.most, len(a.body)-4)
	}
	if strings.Contains(text, "secret") {
		f.Errorf("%v is answered %s", q.kind, text)
	}
	return a.kind != 101 || text == "OK"
}

// parse returns what an answer says, and what follows its fields. It panics if there are too few.
func (a answer) parse() (text string, rest []byte) {
	c := cursor(a.body)
	switch a.kind {
	case 101:
		code, says := packet.Code(c.number()), c.text()
		if c.text(); codeNames[code] == "" || strings.Trim(says, printable) != "" || says == "" {
			panic(fmt.Sprintf("code %d, text %q", code, says))
		}
		text = codeNames[code]
		if code == packet.OK && says != "OK" {
			panic("OK with another text: " + says)
		}
		if code != packet.OK {
			text += " " + says
		}
	case 102, 103:
		c.text()
	case 104:
		for n := c.number(); n > 0; n-- {
			c.text()
			c.text()
			c.attributes()
		}
	case 105:
		c.attributes()
	case 201:
		c = nil
	default:
		panic("unknown type")
	}
	return text, c
}

const printable = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"

// shortValues shows the fields of a request without their data.
func shortValues(values []any) string {
	text := make([]string, len(values))
	for i, v := range values {
		text[i] = fmt.Sprintf("%.40q", fmt.Sprint(v))
		if data, ok := v.(string); ok && len(data) > 40 {
			text[i] = fmt.Sprintf("%.5q * %d", data, len(data))
		}
	}
	return strings.Join(text, " ")
}

// shortAnswer shows an answer without its data.
func shortAnswer(a answer) string { return fmt.Sprintf("%.60s", a) }

// resized returns a version after a SETSTAT of its size and time; -1 = not set.
func (v *version) resized(size int64, modTime int) *version {
	now := *v
	if size >= 0 && size != int64(len(v.data)) {
		now = version{data: append(bytes.Clone(v.data), make([]byte, max(size-int64(len(v.data)), 0))...)[:size]}
	}
	if modTime >= 0 {
		now.modTime = int64(modTime)
	}
	return &now
}
