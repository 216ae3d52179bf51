package ftp

import (
	"compress/zlib"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing/synctest"
	"time"
)

// A fuzzSession is a client, and what it knows of its session.
type fuzzSession struct {
	script *script
	in     bool // logged in
	ascii  bool
	zlib   bool         // MODE Z
	rest   bool         // REST was said
	active *memListener // where the server connects to; nil = the client connects
	listen *memListener
	upload bool
	datas  []net.Conn
	owed   int // replies
}

func newFuzzSession(s *script) *fuzzSession {
	l, err := s.net.listen("192.0.2.7:51201")
	if err != nil {
		s.t.Fatal(err)
	}
	return &fuzzSession{script: s, listen: l.(*memListener), owed: 1}
}

// run says what the program says, until it or the session ends.
func (f *fuzzSession) run(p *program) {
	defer func() {
		f.listen.Close()
		for _, data := range f.datas {
			data.Close()
		}
	}()
	greeting := exchange{before: f.files()}
	for alive := f.await(&greeting); alive && len(*p) > 0; {
		if p.happens(f.script) {
			continue
		}
		alive = f.obeyed(p.line(), plays[int(p.next())%len(plays)])
	}
}

// obeyed says one line, and reports whether the session goes on.
func (f *fuzzSession) obeyed(line string, how play) bool {
	text := strings.TrimPrefix(strings.TrimRight(line, "\r\n"), "\xff\xf1")
	e := &exchange{line: text, how: how, before: f.files(), broken: f.halves()}
	verb, arg := split(text)
	f.upload = verb == "STOR" || verb == "APPE" || verb == "STOU"
	f.say(line, 1)
	alive := f.await(e)
	f.judge(e)
	switch code := e.own(); {
	case code == 230:
		f.in = true
	case verb == "REIN" && code == 220, verb == "USER" && code == 331:
		f.in, f.ascii, f.zlib = false, false, false
	case verb == "TYPE" && code == 200:
		f.ascii = strings.HasPrefix(strings.ToUpper(strings.TrimLeft(arg, " ")), "A")
	case verb == "REST" && code == 350:
		f.rest = true
	case verb == "MODE" && code == 200:
		f.zlib = strings.ToUpper(arg) == "Z"
	case (verb == "PORT" || verb == "EPRT") && code == 200:
		f.active = f.listen
	case code == 227 || code == 229:
		f.active = nil
	}
	return alive
}

func (f *fuzzSession) say(text string, replies int) {
	f.owed += replies
	io.WriteString(f.script.conn, text)
}

// await takes the replies that are owed, and acts on the preliminary ones. It reports whether the session goes on.
func (f *fuzzSession) await(e *exchange) bool {
	for f.owed > 0 {
		code, ok := f.reply()
		switch {
		case !ok && e.how.name == "killed" && e.begun:
			<-time.After(time.Hour) // in which an upload would be published
			synctest.Wait()
			return false
		case !ok:
			f.script.t.Errorf("%q: the server hangs up, %d replies are owed", e.line, f.owed)
			return false
		case code < 200:
			e.begun = true
			e.how.act(f, e)
			continue
		}
		f.owed--
		e.finals = append(e.finals, code)
		if code == 221 || code == 421 {
			return false
		}
	}
	synctest.Wait()
	select {
	case line, open := <-f.script.replies:
		if open && !strings.HasPrefix(line, "421 ") {
			f.script.t.Errorf("%q: the server says %q as well", e.line, line)
		}
		return false
	default:
		return true
	}
}

// reply takes one reply.
func (f *fuzzSession) reply() (code int, ok bool) {
	var said strings.Builder
	for first := ""; ; {
		select {
		case line, open := <-f.script.replies:
			if !open {
				return 0, false
			}
			f.script.notePort(line)
			said.WriteString(line + "\n")
			if first == "" {
				first = line[:min(3, len(line))]
			}
			if !strings.HasPrefix(line, first+" ") {
				continue
			}
			codes := checkReplies(f.script.t, said.String())
			if len(codes) != 1 || codes[0] == 421 && strings.Contains(line, "Internal") {
				f.script.t.Fatalf("%q is %d replies", said.String(), len(codes))
			}
			return codes[0], true
		case <-time.After(time.Hour):
			f.script.t.Fatalf("no reply, or only %q", said.String())
		}
	}
}

// connect makes the data connection, nil if there can be none.
func (f *fuzzSession) connect() (data net.Conn) {
	if f.active == nil {
		data, _ = f.script.net.dial(f.script.t.Context(), "tcp", netip.AddrPortFrom(clientAddr, 50000), f.script.dial)
	} else {
		select {
		case data = <-f.active.conns:
		case <-time.After(time.Minute):
		}
	}
	if data != nil {
		f.datas = append(f.datas, data)
	}
	return data
}

// whole sends the payload and its end, or takes what there is.
func (f *fuzzSession) whole(e *exchange) {
	data := f.connect()
	switch {
	case data == nil:
	case f.upload:
		io.WriteString(data, f.wire())
		data.Close()
	case f.zlib:
		if z, err := zlib.NewReader(data); err == nil {
			e.data, e.cut = io.ReadAll(z)
		} else {
			e.cut = err
		}
		io.Copy(io.Discard, data)
	default:
		e.data, _ = io.ReadAll(data)
	}
}

// wire is the payload as it is sent.
func (f *fuzzSession) wire() string {
	if !f.zlib {
		return payload
	}
	var b strings.Builder
	z := zlib.NewWriter(&b)
	io.WriteString(z, payload)
	z.Close()
	return b.String()
}

// half sends a part of the payload, or takes nothing.
func (f *fuzzSession) half() net.Conn {
	data := f.connect()
	if data != nil && f.upload {
		wire := f.wire()
		io.WriteString(data, wire[:len(wire)/2])
	}
	return data
}
