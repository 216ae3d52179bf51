package ftp

import (
	"bufio"
	"bytes"
	"io"
	"net/netip"
	"path"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/s3ftpd/s3ftpd/proxy/names"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// FuzzCommandLine checks that any bytes on a control connection, in any chunks, are lines of bounded length, and that each line is a
// command or is refused.
func FuzzCommandLine(f *testing.F) {
	for _, seed := range []string{"NOOP\r\n", "\xff\xf4\xff\xf2ABOR\r\n", "stor a b\n\n \r\n", "\xff\xfa\x18\x00\xff\xf0X\n", strings.Repeat("x", 5000) + "\r\n", strings.Repeat("x", 5000), strings.Repeat("x", maxLine) + "\ry\n", "A\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		lines, err := linesOf(string(in), pieces["at once"])
		if err != io.EOF {
			t.Errorf("got the error %v, want io.EOF", err)
		}
		if got, _ := linesOf(string(in), pieces["byte by byte"]); len(got) != len(lines) {
			t.Errorf("%d lines, but %d if read byte by byte", len(lines), len(got))
		}
		most := bytes.Count(in, []byte("\n"))
		if n := len(lines); n > 0 && lines[n-1].tooLong {
			most++ // reported before its end, which may be missing
		}
		if len(lines) > most {
			t.Errorf("%d lines, want at most %d", len(lines), most)
		}
		for _, l := range lines {
			if len(l.text) > maxLine || strings.Contains(l.text, "\n") {
				t.Errorf("line %q is too long or has a line break", l.text)
			}
			s := &session{queue: newCommandQueue(), loginState: loginState{store: storetest.NewMemory()}}
			verb, arg := split(l.text)
			c, err := s.lookup(l, verb, arg)
			if err == nil {
				if c.run == nil {
					t.Errorf("%q: neither a command nor a refusal", l.text)
				}
				continue
			}
			if r := replyTo(err); c.run != nil || !isRefusal(err) || r.code < 500 {
				t.Errorf("%q: refused with %v", l.text, err)
			} else {
				checkReplies(t, r.String())
			}
		}
	})
}

// FuzzPort checks that an address accepted by PORT means the same in EPRT.
func FuzzPort(f *testing.F) {
	for _, seed := range []string{"192,0,2,7,200,1", "0,0,0,0,0,0", "1,2,3,4,5,256", "1,2,3,4,5", ",,,,,", "01,002,3,4,5,6", "192, 0, 2, 7,\t200, 1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		at, err := parsePort(arg)
		if err != nil {
			checkRefusal(t, arg, err)
			return
		}
		if strings.Trim(arg, "0123456789, \t") != "" || !at.Addr().Is4() {
			t.Errorf("%q is %v", arg, at)
		}
		if got, err := parseEprt(eprt(at)); got != at || err != nil {
			t.Errorf("%q is %v, but %v, %v in EPRT", arg, at, got, err)
		}
	})
}

// FuzzEprt checks that an accepted argument is a complete address, and means the same when it is formatted again.
func FuzzEprt(f *testing.F) {
	for _, seed := range []string{"|1|192.0.2.7|51201|", "!2!2001:db8::7!1024!", "|3|x|1|", "|2|::ffff:1.2.3.4|65535|", "|2|fe80::1%eth0|1|", "||||", "1111111"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		at, err := parseEprt(arg)
		if err != nil {
			checkRefusal(t, arg, err)
			return
		}
		if !at.IsValid() || at.Addr().Zone() != "" || at.Addr().Is4In6() {
			t.Errorf("%q is %v", arg, at)
		}
		if got, err := parseEprt(eprt(at)); got != at || err != nil {
			t.Errorf("%q is %v, but %v, %v when formatted again", arg, at, got, err)
		}
	})
}

func eprt(at netip.AddrPort) string {
	family := "2"
	if at.Addr().Is4() {
		family = "1"
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(at.String(), "["+at.Addr().String()+"]"), ":")
	return "|" + family + "|" + at.Addr().String() + "|" + port + "|"
}

// checkRefusal checks that the error of a parser is a reply.
func checkRefusal(t *testing.T, arg string, err error) {
	t.Helper()
	if r, ok := err.(reply); !ok || r.code != 501 && r.code != 522 {
		t.Errorf("%q: %v", arg, err)
	}
}

// FuzzListArgs checks that a pattern in the argument of LIST matches its own text, and only names with its prefix.
func FuzzListArgs(f *testing.F) {
	for _, seed := range [][2]string{{"-la *", "a"}, {"a*a*b", "aaaaaa"}, {"[!a-c]?", "dx"}, {"[", "["}, {"-- -x[]]", "-x]"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, arg, name string) {
		if len(arg) > maxLine || len(name) > 1024 {
			return
		}
		_, arg = cutFlags(arg)
		_, last := path.Split(arg)
		if !names.IsPattern(last) || !utf8.ValidString(last+name) { // names.Resolve lets nothing else through
			return
		}
		p := names.NewPattern(last)
		if p.Match(name) && !strings.HasPrefix(name, p.Prefix()) {
			t.Errorf("%q matches %q, which does not begin with %q", last, name, p.Prefix())
		}
		if !p.Match(last) {
			t.Errorf("%q does not match itself", last)
		}
	})
}

// FuzzASCII checks that the chunks of a text make no difference, and that a text without stray CRs is the same after storing and sending.
func FuzzASCII(f *testing.F) {
	for _, c := range texts[:11] {
		f.Add([]byte(c.net), uint8(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, size uint8) {
		store := bytes.ReplaceAll(in, []byte("\r\n"), []byte("\n"))
		net := new(bytes.Buffer)
		w := &asciiWriter{w: net}
		step := int(size)%7 + 1
		for i := 0; i < len(in); i += step {
			if n, err := w.Write(in[i:min(i+step, len(in))]); n != min(step, len(in)-i) || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
		}
		if want := bytes.ReplaceAll(store, []byte("\n"), []byte("\r\n")); !bytes.Equal(net.Bytes(), want) {
			t.Errorf("%q is sent as %q, want %q", in, net, want)
		}
		for name, cut := range pieces {
			got, err := io.ReadAll(&asciiReader{r: cut(bytes.NewReader(in))})
			if !bytes.Equal(got, store) || err != nil {
				t.Errorf("%q %s is stored as %q, %v; want %q", in, name, got, err, store)
			}
			if back, _ := io.ReadAll(&asciiReader{r: cut(bytes.NewReader(net.Bytes()))}); !bytes.Equal(back, store) {
				t.Errorf("%q is %q after sending and storing", store, back)
			}
		}
	})
}

// FuzzReply checks that a reply with any text is well-formed.
func FuzzReply(f *testing.F) {
	for _, seed := range []string{"OK.", "a\nb\nc", "a\n211 b\nc", "\n", "a\r\n\x00\x1b\xff\u0085", "Status:\n 1\n2\n"} {
		f.Add(uint16(211), seed)
	}
	f.Fuzz(func(t *testing.T, code uint16, text string) {
		r := reply{int(code)%500 + 100, text}
		if finals := checkReplies(t, r.String()); len(finals) != 1 || finals[0] != r.code {
			t.Errorf("%q has the final replies %v", r.String(), finals)
		}
	})
}

// checkReplies checks that text consists of well-formed replies (RFC 959, section 4.2), and returns their codes.
func checkReplies(t *testing.T, text string) (codes []int) {
	t.Helper()
	open := "" // the code of a multi-line reply that has not ended
	for r := bufio.NewReader(strings.NewReader(text)); ; {
		l, err := r.ReadString('\n')
		if err != nil {
			if l != "" || open != "" {
				t.Errorf("%q ends in the middle of a reply", text)
			}
			return codes
		}
		l, ok := strings.CutSuffix(l, "\r\n")
		if !ok || !utf8.ValidString(l) || strings.ContainsFunc(l, unicode.IsControl) {
			t.Errorf("line %q has an invalid end, control characters or invalid UTF-8", l)
		}
		isCode := len(l) > 3 && l[0] >= '0' && l[0] <= '9' && isNumber(l[:3])
		switch {
		case open != "" && !isCode:
		case open != "" && (l[:3] != open || l[3] != ' '), !isCode, l[3] != ' ' && l[3] != '-':
			t.Errorf("line %q is not allowed here", l)
		case l[3] == '-':
			open = l[:3]
		default:
			open = ""
			codes = append(codes, 100*int(l[0]-'0')+10*int(l[1]-'0')+int(l[2]-'0'))
		}
	}
}
