package ftp

import (
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// FuzzControl checks that the server answers each line with exactly one well-formed final reply, allows nothing before a login, and
// stops. The bubble reports goroutines that do not stop.
func FuzzControl(f *testing.F) {
	const login = "USER test\r\nPASS secret\r\n"
	for _, seed := range []string{
		"NOOP\r\nQUIT\r\n",
		"\x16", "GET / HTTP/1.1\r\n\r\n", "A\nB\nC\nD\nE\nF\nG\nH\nI\nJ\nK\n", "AUTH TLS\r\nNOOP\r\nPBSZ 0\r\nPROT P\r\nCCC\r\n",
		"USER x\nPASS y\nUSER x\nPASS y\nUSER x\nPASS y\nNOOP\n",
		"LIST\nRETR a\nSTOR b\n" + login + "PWD\r\nREIN\r\nPWD\r\n",
		login + "EPSV\r\nSTOR a\r\nSIZE a\r\nEPSV\r\nRETR a\r\nDELE a\r\n",
		login + "EPSV\r\nSTOR a\r\nNOOP\r\nSTAT\r\nABOR\r\nABOR\r\nQUIT\r\n",
		login + "TYPE A\r\nPASV\r\nSTOR a\r\nPORT 192,0,2,7,200,1\r\nRETR a\r\nREST 3\r\nEPRT |1|192.0.2.7|51201|\r\nLIST -la *\r\n",
		login + "MKD d\r\nCWD d\r\nMLSD\r\nMLST\r\nOPTS MLST size\r\nFEAT\r\nHELP\r\nSTAT /\r\nRNFR d\r\nRNTO e\r\nRMD /e\r\n",
		login + "EPSV\r\nSTOR a\r\nHASH a\r\nOPTS HASH MD5\r\nRANG 1 2\r\nHASH \"a\"\r\nXCRC \"a\" 0 3\r\nXSHA1 a 1 2\r\nRANG 1 0\r\nRANG 0 3\r\nRETR a\r\n",
		login + "EPSV ALL\r\nPASV\r\nEPSV 2\r\nALLO 5\r\nMODE Z\r\nSTRU R\r\nSITE HELP\r\n\xff\xf4\xff\xf2ABOR\r\n" + strings.Repeat("x", 5000) + "\r\n",
	} {
		for how := range uint8(3) {
			f.Add([]byte(seed), how+9)
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		if len(in) == 0 || len(in) > 20000 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			s := newScript(t)
			s.noListener = true
			stop := s.serve()
			defer stop()
			text := newFuzzClient(s, step).run(in, int(step)+1)
			stop()
			checkSession(t, in, text)
		})
	})
}

// checkSession checks all replies of a session, from the greeting to the last one.
func checkSession(t *testing.T, in []byte, text string) {
	codes := checkReplies(t, text)
	finals := slices.DeleteFunc(slices.Clone(codes), func(code int) bool { return code < 200 })
	lines, _ := linesUpTo(maxLineBeforeLogin, string(in), pieces["at once"])
	if slices.Contains(codes, 230) && slices.ContainsFunc(lines, func(l line) bool { return l.tooLong }) {
		return // whether a line is too long depends on whether it arrived before the login
	}
	quit := slices.IndexFunc(lines, func(l line) bool {
		verb, _ := split(l.text)
		return verb == "QUIT" && !l.tooLong
	})
	want := 1 + len(lines) + 1 // the greeting, a reply to each line, and 421 for the idle timeout
	switch {
	case in[0] == 22 || len(lines) > 0 && isOtherProtocol(lines[0].text) && !lines[0].tooLong:
		want = 1
	case strings.HasSuffix(text, "421 Too many failed logins, closing connection.\r\n"), strings.HasSuffix(text, "421 Too many unknown commands, closing connection.\r\n"):
		want = len(finals)
	case quit >= 0:
		want = 1 + quit + 1
	}
	if len(finals) != want || strings.HasSuffix(text, "421 Internal error, closing connection.\r\n") {
		t.Errorf("%q: %d final replies, want %d: %q", in, len(finals), want, text)
	}
	for _, code := range codes {
		if code == 230 {
			return
		}
		if code < 200 || code < 400 && !slices.Contains([]int{200, 211, 214, 215, 220, 221, 331}, code) {
			t.Errorf("%d before a login: %q", code, text)
		}
	}
}

// A fuzzClient sends arbitrary bytes, and handles each transfer in one of three ways.
type fuzzClient struct {
	s     *script
	how   int // 0 = transfer, 1 = do not connect, 2 = reset
	mu    sync.Mutex
	datas []net.Conn
}

func newFuzzClient(s *script, how uint8) *fuzzClient {
	s.login = false
	s.switchTo(1)
	return &fuzzClient{s: s, how: int(how) % 3}
}

// run sends in, step bytes at a time, waits until the server closes the connection, and returns its replies.
func (c *fuzzClient) run(in []byte, step int) string {
	l, err := c.s.net.listen("192.0.2.7:51201") // for PORT
	if err != nil {
		c.s.t.Fatal(err)
	}
	go func() {
		for {
			data, err := l.Accept()
			if err != nil {
				return
			}
			c.transfer(data)
		}
	}()
	go func() {
		for piece := range slices.Chunk(in, step) {
			if _, err := c.s.conn.Write(piece); err != nil {
				return
			}
		}
	}()
	var text strings.Builder
	for got := range c.s.replies {
		text.WriteString(got + "\n")
		c.s.keepAddress(got)
		if strings.HasPrefix(got, "150 ") && c.how != 1 {
			if data, err := c.s.net.dial(c.s.t.Context(), "tcp", netip.AddrPortFrom(clientAddr, 50000), c.s.dial); err == nil {
				c.transfer(data)
			}
		}
	}
	l.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, data := range c.datas {
		data.Close()
	}
	return text.String()
}

// transfer discards the data that it receives, and sends some.
func (c *fuzzClient) transfer(data net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.datas = append(c.datas, data)
	if c.how == 2 {
		data.(*memConn).SetLinger(0)
		data.Close()
		return
	}
	go io.Copy(io.Discard, data)
	go func() {
		io.WriteString(data, "one\r\ntwo\r\n")
		data.Close()
	}()
}
