package packet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

// fields encodes the fields of a packet: numbers of 32 and 64 bits, bytes and strings.
func fields(values ...any) (b []byte) {
	for _, v := range values {
		switch v := v.(type) {
		case int:
			b = binary.BigEndian.AppendUint32(b, uint32(v))
		case uint64:
			b = binary.BigEndian.AppendUint64(b, v)
		case string:
			b = appendText(b, v)
		case []byte:
			b = append(b, v...)
		}
	}
	return b
}

// packetOf encodes a packet.
func packetOf(t Type, values ...any) []byte {
	body := append([]byte{byte(t)}, fields(values...)...)
	return append(fields(len(body)), body...)
}

func TestRequests(t *testing.T) {
	attributes := Attributes{HasSize: true, Size: 5, HasTimes: true, AccessTime: 1, ModTime: 2}
	encoded := fields(1|2|4|8, uint64(5), 100, 200, 0o644, 1, 2)
	for _, c := range []struct {
		packet []byte
		want   Request
	}{
		{packetOf(Init, 6, "name", "data"), Request{Type: Init, ID: 6}},
		{packetOf(Open, 7, "/f", FlagWrite|FlagCreate, encoded), Request{Type: Open, ID: 7, Path: "/f", Flags: FlagWrite | FlagCreate, Attributes: attributes}},
		{packetOf(Close, 7, "h"), Request{Type: Close, ID: 7, Handle: "h"}},
		{packetOf(Read, 7, "h", uint64(1<<40), 32768), Request{Type: Read, ID: 7, Handle: "h", Offset: 1 << 40, Length: 32768}},
		{packetOf(Stat, 7, "a\x00b"), Request{Type: Stat, ID: 7, Path: "a\x00b"}},
		{packetOf(RealPath, 7, ".", "more", 1), Request{Type: RealPath, ID: 7, Path: "."}},
		{packetOf(FSetStat, 7, "h", fields(1<<31, 1, "type", "data")), Request{Type: FSetStat, ID: 7, Handle: "h"}},
		{packetOf(Mkdir, 7, "d", 0), Request{Type: Mkdir, ID: 7, Path: "d"}},
		{packetOf(Rename, 7, "a", "b"), Request{Type: Rename, ID: 7, Path: "a", Target: "b"}},
		{packetOf(Extended, 7, "x@y", []byte("rest")), Request{Type: Extended, ID: 7, Extension: "x@y", Data: []byte("rest")}},
		{packetOf(99, 7, []byte("anything")), Request{Type: 99, ID: 7}},
	} {
		for name, in := range map[string]io.Reader{"at once": bytes.NewReader(c.packet), "byte by byte": iotest.OneByteReader(bytes.NewReader(c.packet))} {
			r := NewReader(in)
			got, err := r.Next()
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%v %s: %+v, %v, want %+v", c.want.Type, name, got, err, c.want)
			}
			if _, err := r.Next(); err != io.EOF {
				t.Errorf("%v %s: after it %v", c.want.Type, name, err)
			}
		}
	}
}

// The data of a WRITE are read by the caller, or skipped.
func TestWriteData(t *testing.T) {
	in := append(packetOf(Write, 1, "h", uint64(9), "first"), packetOf(Write, 2, "h", uint64(14), "second")...)
	r := NewReader(bytes.NewReader(append(in, packetOf(Close, 3, "h")...)))
	first, err := r.Next()
	if err != nil || first.Length != 5 || first.Offset != 9 || first.Handle != "h" {
		t.Fatalf("%+v, %v", first, err)
	}
	if data, err := io.ReadAll(r); string(data) != "first" || err != nil {
		t.Errorf("data %q, %v", data, err)
	}
	if second, err := r.Next(); err != nil || second.Length != 6 {
		t.Errorf("%+v, %v", second, err)
	}
	var part [2]byte
	if n, err := r.Read(part[:]); string(part[:n]) != "se" || err != nil {
		t.Errorf("data %q, %v", part[:n], err)
	}
	if third, err := r.Next(); err != nil || third.Type != Close || third.ID != 3 {
		t.Errorf("after skipped data: %+v, %v", third, err)
	}
}

func TestWriteDataCutOff(t *testing.T) {
	whole := packetOf(Write, 1, "h", uint64(0), "data")
	r := NewReader(bytes.NewReader(whole[:len(whole)-1]))
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(r); string(data) != "dat" || err != io.ErrUnexpectedEOF || r.Err() != err {
		t.Errorf("data %q, %v and %v", data, err, r.Err())
	}
}

func TestMalformed(t *testing.T) {
	long := strings.Repeat("x", MaxData+1)
	for name, in := range map[string][]byte{
		"no type":              fields(0, []byte("12345")),
		"no ID":                fields(4, []byte{byte(Stat)}, 1),
		"too long":             fields(MaxSize+1, []byte{byte(Stat)}, 1),
		"longer than memory":   fields(1<<32-1, []byte{byte(Stat)}, 1),
		"string beyond end":    packetOf(Stat, 1, 100, []byte("short")),
		"string of 4 GiB":      packetOf(Stat, 1, 1<<32-1, []byte("short")),
		"bytes behind":         packetOf(Stat, 1, "a", 1),
		"no attributes":        packetOf(Open, 1, "a", 1),
		"short size":           packetOf(SetStat, 1, "a", 1, 5),
		"many extended":        packetOf(SetStat, 1, "a", 1<<31, 1<<30, "t", "d"),
		"WRITE without data":   packetOf(Write, 1, "h", uint64(0)),
		"WRITE longer":         packetOf(Write, 1, "h", uint64(0), 3, []byte("data")),
		"WRITE shorter":        packetOf(Write, 1, "h", uint64(0), 5, []byte("data")),
		"WRITE of long handle": packetOf(Write, 1, strings.Repeat("h", maxHandle+1), uint64(0), "data"),
		"WRITE of much":        packetOf(Write, 1, "h", uint64(0), long),
	} {
		if q, err := NewReader(bytes.NewReader(append(in, make([]byte, 16)...))).Next(); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, q, err)
		}
	}
}

func TestExtensions(t *testing.T) {
	q := Request{Data: fields("old", "new")}
	if texts, err := q.Texts(2); err != nil || strings.Join(texts, " ") != "old new" {
		t.Errorf("%q, %v", texts, err)
	}
	if _, err := q.Texts(3); !errors.Is(err, ErrMalformed) {
		t.Errorf("a third text: %v", err)
	}
	q.Data = fields("/l", 1, uint64(7))
	if path, a, err := q.PathAndAttributes(); path != "/l" || !a.HasSize || a.Size != 7 || err != nil {
		t.Errorf("%q, %+v, %v", path, a, err)
	}
	q.Data = fields(string(fields(1, 2)), string(fields(3)))
	if users, groups, err := q.IDs(); !reflect.DeepEqual([][]uint32{users, groups}, [][]uint32{{1, 2}, {3}}) || err != nil {
		t.Errorf("%v, %v, %v", users, groups, err)
	}
	q.Data = fields(string(fields(1))+"x", "")
	if _, _, err := q.IDs(); !errors.Is(err, ErrMalformed) {
		t.Errorf("a list of five bytes: %v", err)
	}
}

func TestReplies(t *testing.T) {
	a := Attributes{HasSize: true, Size: 5, Permissions: ModeFile | 0o644, HasTimes: true, AccessTime: 1, ModTime: 2}
	encoded := fields(1|2|4|8, uint64(5), 0, 0, ModeFile|0o644, 1, 2)
	header := AppendDataHeader(nil, 7, 4)
	for name, c := range map[string]struct{ got, want []byte }{
		"version":    {AppendVersion(nil, []Extension{{"a@b", "1"}}), packetOf(version, 3, "a@b", "1")},
		"status":     {AppendStatus(nil, 7, NoSuchFile, "No."), packetOf(status, 7, 2, "No.", "en")},
		"handle":     {AppendHandle(nil, 7, "h"), packetOf(handle, 7, "h")},
		"data":       {append(header, "data"...), packetOf(data, 7, "data")},
		"names":      {AppendNames(nil, 7, Name{"n", "long", a}), packetOf(name, 7, 1, "n", "long", encoded)},
		"attributes": {AppendAttributes(nil, 7, a), packetOf(attrs, 7, encoded)},
		"directory":  {AppendAttributes(nil, 7, Attributes{Permissions: ModeDir | 0o755}), packetOf(attrs, 7, 2|4, 0, 0, ModeDir|0o755)},
		"numbers":    {AppendNumbers(nil, 7, 1, 2), packetOf(extendedReply, 7, uint64(1), uint64(2))},
		"lists":      {AppendLists(nil, 7, []string{"a", ""}, nil), packetOf(extendedReply, 7, string(fields("a", "")), "")},
	} {
		if !bytes.Equal(c.got, c.want) {
			t.Errorf("%s: % x\nwant % x", name, c.got, c.want)
		}
	}
	if both := AppendStatus(AppendHandle(nil, 1, "h"), 2, OK, ""); !bytes.Equal(both, append(packetOf(handle, 1, "h"), packetOf(status, 2, 0, "", "en")...)) {
		t.Errorf("two replies: % x", both)
	}
}

// FuzzPacket checks that no bytes make the reader panic, read beyond a packet, or lose its place.
func FuzzPacket(f *testing.F) {
	f.Add(packetOf(Init, 3))
	f.Add(packetOf(Open, 7, "/f", FlagWrite, fields(1|2|4|8, uint64(5), 0, 0, 0, 1, 2)))
	f.Add(packetOf(Write, 1, "h", uint64(9), "first"))
	f.Add(packetOf(Extended, 7, "posix-rename@openssh.com", "a", "b"))
	f.Fuzz(func(t *testing.T, in []byte) {
		follow := packetOf(Close, 0x01020304, "next")
		r := NewReader(iotest.HalfReader(bytes.NewReader(append(bytes.Clone(in), follow...))))
		read := 0
		for {
			q, err := r.Next()
			if err != nil {
				if err != io.EOF && err != io.ErrUnexpectedEOF && !errors.Is(err, ErrMalformed) {
					t.Fatalf("an error that is not of the packet: %v", err)
				}
				return
			}
			if len(q.Path) > MaxSize || q.Type == Write && (q.Length < 0 || q.Length > MaxData) {
				t.Fatalf("%+v", q)
			}
			q.Texts(2)
			q.IDs()
			q.PathAndAttributes()
			if read++; read > len(in)+1 {
				t.Fatal("more packets than bytes")
			}
		}
	})
}
