package ftp

// payload is what a client sends in an upload.
const payload = "first\r\nsecond\r\n"

// A play is how a client plays along with a transfer, from the 150 on. One that breaks must not be a complete one.
type play struct {
	name   string
	breaks bool
	act    func(f *fuzzSession, e *exchange)
}

var plays = []play{
	{"well", false, func(f *fuzzSession, e *exchange) { f.whole(e) }},
	{"with NOOP and STAT", false, func(f *fuzzSession, e *exchange) {
		e.chat = 2
		f.say("NOOP\r\nSTAT\r\n", 2)
		f.whole(e)
	}},
	{"with others behind it", false, func(f *fuzzSession, e *exchange) {
		f.say("SIZE a\r\nSTAT /\r\n", 2)
		f.whole(e)
	}},
	{"aborted after the data", false, func(f *fuzzSession, e *exchange) {
		f.whole(e)
		f.say("ABOR\r\n", 1)
	}},
	{"in vain", true, func(*fuzzSession, *exchange) {}},
	{"aborted at once", true, func(f *fuzzSession, _ *exchange) { f.say("ABOR\r\n", 1) }},
	{"aborted half-way", true, func(f *fuzzSession, e *exchange) {
		f.half()
		f.say("\xff\xf4\xff\xf2ABOR\r\n", 1)
	}},
	{"reset", true, func(f *fuzzSession, e *exchange) {
		if data := f.half(); data != nil {
			data.(*memConn).SetLinger(0)
			data.Close()
		}
	}},
	{"stalled", true, func(f *fuzzSession, _ *exchange) { f.half() }},
	{"killed", true, func(f *fuzzSession, _ *exchange) {
		data := f.half()
		f.script.conn.Close()
		if data != nil {
			data.Close()
		}
	}},
}
