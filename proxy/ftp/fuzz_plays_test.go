package ftp

// payload is the data of each upload.
const payload = "first\r\nsecond\r\n"

// A play is the behaviour of a client after the 150 reply. A transfer with incomplete = true must not get 226.
type play struct {
	name       string
	incomplete bool
	act        func(f *fuzzSession, e *exchange)
}

var plays = []play{
	{"complete", false, func(f *fuzzSession, e *exchange) { f.transferAll(e) }},
	{"with NOOP and STAT", false, func(f *fuzzSession, e *exchange) {
		e.chat = 2
		f.send("NOOP\r\nSTAT\r\n", 2)
		f.transferAll(e)
	}},
	{"with queued commands", false, func(f *fuzzSession, e *exchange) {
		f.send("SIZE a\r\nSTAT /\r\n", 2)
		f.transferAll(e)
	}},
	{"aborted after the data", false, func(f *fuzzSession, e *exchange) {
		f.transferAll(e)
		f.send("ABOR\r\n", 1)
	}},
	{"without a data connection", true, func(*fuzzSession, *exchange) {}},
	{"aborted at once", true, func(f *fuzzSession, _ *exchange) { f.send("ABOR\r\n", 1) }},
	{"aborted halfway", true, func(f *fuzzSession, e *exchange) {
		f.transferHalf()
		f.send("\xff\xf4\xff\xf2ABOR\r\n", 1)
	}},
	{"reset", true, func(f *fuzzSession, e *exchange) {
		if data := f.transferHalf(); data != nil {
			data.(*memConn).SetLinger(0)
			data.Close()
		}
	}},
	{"stalled", true, func(f *fuzzSession, _ *exchange) { f.transferHalf() }},
	{"killed", true, func(f *fuzzSession, _ *exchange) {
		data := f.transferHalf()
		f.script.conn.Close()
		if data != nil {
			data.Close()
		}
	}},
}
