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

// A fuzzSession is a client and the state of its session.
type fuzzSession struct {
	script *script
	in     bool // logged in
	ascii  bool
	zlib   bool         // MODE Z
	rest   bool         // REST succeeded
	active *memListener // for data connections of the server; nil = passive
	listen *memListener
	upload bool
	datas  []net.Conn
	owed   int // replies not yet received
}

func newFuzzSession(s *script) *fuzzSession {
	l, err := s.net.listen("192.0.2.7:51201")
	if err != nil {
		s.t.Fatal(err)
	}
	return &fuzzSession{script: s, listen: l.(*memListener), owed: 1}
}

// run executes the program until it or the session ends.
func (f *fuzzSession) run(p *program) {
	defer func() {
		f.listen.Close()
		for _, data := range f.datas {
			data.Close()
		}
	}()
	greeting := exchange{before: f.files()}
	for alive := f.await(&greeting); alive && len(*p) > 0; {
		if p.event(f.script) {
			continue
		}
		alive = f.execute(p.line(), plays[int(p.next())%len(plays)])
	}
}

// execute sends one line, and reports whether the session continues.
func (f *fuzzSession) execute(line string, how play) bool {
	text := strings.TrimPrefix(strings.TrimRight(line, "\r\n"), "\xff\xf1")
	e := &exchange{line: text, how: how, before: f.files(), broken: f.resumable()}
	verb, arg := split(text)
	f.upload = verb == "STOR" || verb == "APPE" || verb == "STOU"
	f.send(line, 1)
	alive := f.await(e)
	f.check(e)
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

func (f *fuzzSession) send(text string, replies int) {
	f.owed += replies
	io.WriteString(f.script.conn, text)
}

// await receives the missing replies, and runs the transfer on a preliminary one. It reports whether the session continues.
func (f *fuzzSession) await(e *exchange) bool {
	for f.owed > 0 {
		code, ok := f.reply()
		switch {
		case !ok && e.how.name == "killed" && e.begun:
			<-time.After(time.Hour) // so that a wrongly accepted upload is published
			synctest.Wait()
			return false
		case !ok:
			f.script.t.Errorf("%q: the server closes the connection before %d replies", e.line, f.owed)
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
			f.script.t.Errorf("%q: unexpected reply %q", e.line, line)
		}
		return false
	default:
		return true
	}
}

// reply receives one reply.
func (f *fuzzSession) reply() (code int, ok bool) {
	var text strings.Builder
	for first := ""; ; {
		select {
		case line, open := <-f.script.replies:
			if !open {
				return 0, false
			}
			f.script.keepAddress(line)
			text.WriteString(line + "\n")
			if first == "" {
				first = line[:min(3, len(line))]
			}
			if !strings.HasPrefix(line, first+" ") {
				continue
			}
			codes := checkReplies(f.script.t, text.String())
			if len(codes) != 1 || codes[0] == 421 && strings.Contains(line, "Internal") {
				f.script.t.Fatalf("%q has %d replies, want 1", text.String(), len(codes))
			}
			return codes[0], true
		case <-time.After(time.Hour):
			f.script.t.Fatalf("no complete reply within an hour, only %q", text.String())
		}
	}
}

// connect returns the data connection, or nil if it cannot be established.
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

// transferAll sends the payload and closes the data connection, or receives a whole file.
func (f *fuzzSession) transferAll(e *exchange) {
	data := f.connect()
	switch {
	case data == nil:
	case f.upload:
		io.WriteString(data, f.encodedPayload())
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

// encodedPayload returns the payload as it is sent.
func (f *fuzzSession) encodedPayload() string {
	if !f.zlib {
		return payload
	}
	var b strings.Builder
	z := zlib.NewWriter(&b)
	io.WriteString(z, payload)
	z.Close()
	return b.String()
}

// transferHalf sends a half of the payload, or receives nothing.
func (f *fuzzSession) transferHalf() net.Conn {
	data := f.connect()
	if data != nil && f.upload {
		wire := f.encodedPayload()
		io.WriteString(data, wire[:len(wire)/2])
	}
	return data
}
