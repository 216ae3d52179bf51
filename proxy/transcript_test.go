package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/passive"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestTranscripts plays the dialogues in testdata, in the notation that RFC 3659 has for its examples.
//
//	# a comment               what the dialogue is about; the first says which clause of which RFC
//	! max-sessions 1          how the server is set up, see script.option
//	<= /name "content"        a file that is there before; /dir/ is a directory
//	C> STOR a                 the client says; C= "raw\n" in Go's notation, without an end of line of its own
//	S> 150 *                  the server says; * stands for anything; S. the server hangs up
//	D> one line               a line over the data connection, to or from the client
//	D= "raw\n"                bytes, in Go's notation
//	D.                        the data connection ends; D! it is reset
//	T> 5m                     time passes
//	C.                        the client hangs up
//	2                         the second client takes over (it connects and logs in); 1 the first again
//	=> /name "content"        what is there at the end, all of it, in order; a bare => when there is nothing
//
// The first client is logged in already unless the set-up says "login no". The data connection is made with
// its first D line.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.ftp")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d transcripts, %v; want 60 at least", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".ftp"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) { play(t, string(text)) })
		})
	}
}

// A script is a transcript being played.
type script struct {
	t     *testing.T
	line  int
	net   memnet
	store *memStore
	srv   *Server
	stop  context.CancelFunc
	login bool
	who   []*testClient
	*testClient
	after []string // the => lines
}

var (
	serverAddr = netip.MustParseAddrPort("192.0.2.1:21")
	clientAddr = netip.MustParseAddr("192.0.2.7")
	server6    = netip.MustParseAddrPort("[2001:db8::1]:21")
	client6    = netip.MustParseAddr("2001:db8::7")
)

func play(t *testing.T, text string) {
	s := &script{t: t, store: newMemStore(), login: true}
	s.srv = &Server{Log: slog.New(slog.DiscardHandler), CommitGrace: time.Millisecond}
	s.srv.Passive.First, s.srv.Passive.Last = 60000, 60009
	s.srv.Passive.Log = s.srv.Log
	s.srv.Passive.ListenFunc = func(_ context.Context, _, address string) (net.Listener, error) { return s.net.listen(address) }
	s.srv.Active = &passive.Dialer{Port: 20, DialFunc: s.net.dial}
	s.srv.Login = func(_ context.Context, a Attempt) (Store, error) {
		if a.Password != "secret" {
			return nil, fs.ErrPermission
		}
		return s.store, s.store.fail["login"]
	}
	stop := s.serve()
	defer stop()
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		s.line++
		s.step(line)
	}
	stop()
	s.compare()
}

// serve runs the server on IPv4 and IPv6 until stop is called.
func (s *script) serve() (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	s.stop = cancel
	done := make(chan error, 2)
	for _, at := range []netip.AddrPort{serverAddr, server6} {
		l, err := s.net.listen(at.String())
		if err != nil {
			s.t.Fatal(err)
		}
		go func() { done <- s.srv.Serve(ctx, l) }()
	}
	stopped := false
	return func() {
		if stopped {
			return
		}
		stopped = true
		for _, c := range s.who {
			if c != nil {
				c.hangUp()
			}
		}
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				s.t.Errorf("Serve: %v", err)
			}
		}
	}
}

func (s *script) fatalf(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("line %d: %s", s.line, fmt.Sprintf(format, args...))
}

// step plays one line.
func (s *script) step(line string) {
	mark, arg, _ := strings.Cut(line, " ")
	switch mark {
	case "", "#":
		return
	case "!":
		s.option(arg)
		return
	case "<=":
		name, content := s.entry(arg)
		s.store.files[name] = memFile{name, []byte(content), time.Now()}
		return
	case "=>":
		s.after = append(s.after, strings.TrimSpace(arg))
		return
	case "T>":
		d, err := time.ParseDuration(arg)
		if err != nil {
			s.fatalf("%v", err)
		}
		time.Sleep(d) // of the bubble's time, which costs none
		synctest.Wait()
		return
	case "1", "2", "6":
		s.turn(int(mark[0] - '0'))
		return
	}
	if s.testClient == nil {
		s.turn(1)
	}
	s.talk(mark, arg)
}

// entry reads /name "content".
func (s *script) entry(arg string) (name, content string) {
	name, quoted, found := strings.Cut(arg, ` "`)
	if found {
		var err error
		if content, err = strconv.Unquote(`"` + quoted); err != nil {
			s.fatalf("%s: %v", arg, err)
		}
	}
	return name, content
}

// option sets the server up.
func (s *script) option(arg string) {
	name, value, _ := strings.Cut(arg, " ")
	n, _ := strconv.Atoi(value)
	switch name {
	case "login":
		s.login = false
	case "active":
		s.srv.Active = nil
	case "drain": // the server is told to go down
		s.stop()
		synctest.Wait()
	case "max-sessions":
		s.srv.MaxSessions = n
	case "max-sessions-per-ip":
		s.srv.MaxPerIP = n
	case "max-sessions-per-user":
		s.srv.MaxPerUser = n
	case "passive-ports":
		s.srv.Passive.First, s.srv.Passive.Last = uint16(n), uint16(n)
	case "passive-address":
		s.srv.PassiveAddress = func(context.Context, netip.Addr, netip.Addr) (netip.Addr, error) { return netip.ParseAddr(value) }
	case "fail": // fail /name error: the store answers with it; "login" is a name too
		name, text, _ := strings.Cut(value, " ")
		if s.store.fail[name] = failures[text]; failures[text] == nil {
			s.fatalf("no failure %q", text)
		}
	default:
		s.fatalf("no option %q", name)
	}
}

var failures = map[string]error{
	"permission":  fs.ErrPermission,
	"unsupported": errors.ErrUnsupported,
	"no buffer":   fmt.Errorf("put: %w", syscall.ENOBUFS),
	"too big":     syscall.EFBIG,
	"offset":      syscall.ESPIPE,
	"time-out":    context.DeadlineExceeded,
	"down":        errors.New("secret internals: host 10.0.0.1, request id 4711"),
}

// turn lets another client speak, and connects it the first time: the sixth one over IPv6.
func (s *script) turn(n int) {
	for len(s.who) <= n {
		s.who = append(s.who, nil)
	}
	if s.who[n] == nil {
		s.who[n] = s.connect(n)
	}
	s.testClient = s.who[n]
}

func (s *script) connect(n int) *testClient {
	from, to := netip.AddrPortFrom(clientAddr, uint16(1024+n)), serverAddr
	if n == 6 {
		from, to = netip.AddrPortFrom(client6, 1030), server6
	}
	conn, err := s.net.dial(s.t.Context(), "tcp", from, to)
	if err != nil {
		s.fatalf("%v", err)
	}
	c := newTestClient(conn, from, to)
	if s.login {
		for _, l := range []string{"", "USER test", "PASS secret"} {
			if l != "" {
				fmt.Fprintf(conn, "%s\r\n", l)
			}
			if got := <-c.replies; got == "" || got[0] >= '4' {
				s.fatalf("login: %q", got)
			}
		}
	}
	return c
}

// compare compares what the store holds with the => lines.
func (s *script) compare() {
	if s.after == nil {
		return
	}
	var got []string
	for _, name := range slices.Sorted(maps.Keys(s.store.files)) {
		if f := s.store.files[name]; f.IsDir() {
			got = append(got, name)
		} else {
			got = append(got, fmt.Sprintf("%s %q", name, f.data))
		}
	}
	want := slices.DeleteFunc(s.after, func(l string) bool { return l == "" })
	if !slices.Equal(got, want) {
		s.t.Errorf("the store holds\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// A testClient is a client that a transcript speaks for.
type testClient struct {
	conn     net.Conn
	from, to netip.AddrPort
	replies  chan string // lines; closed when the server hangs up

	upload bool // the last transfer sends to the server
	dial   netip.AddrPort
	accept net.Listener
	data   net.Conn
	in     *bufio.Reader
}

func newTestClient(conn net.Conn, from, to netip.AddrPort) *testClient {
	c := &testClient{conn: conn, from: from, to: to, replies: make(chan string, 5000)}
	go func() {
		defer close(c.replies)
		for r := bufio.NewReader(conn); ; {
			l, err := r.ReadString('\n')
			if err != nil {
				return
			}
			c.replies <- strings.TrimSuffix(l, "\n")
		}
	}()
	return c
}

func (c *testClient) hangUp() {
	c.conn.Close()
	if c.data != nil {
		c.data.Close()
	}
	if c.accept != nil {
		c.accept.Close()
	}
}

// talk plays a C, S or D line.
func (s *script) talk(mark, arg string) {
	switch mark {
	case "C>", "C=":
		text := arg + "\r\n"
		if mark == "C=" {
			var err error
			if text, err = strconv.Unquote(arg); err != nil {
				s.fatalf("%v", err)
			}
		}
		s.command(strings.TrimSpace(text))
		if _, err := io.WriteString(s.conn, text); err != nil {
			s.fatalf("%v", err)
		}
	case "C.":
		s.conn.Close()
		synctest.Wait()
	case "S>":
		got, open := <-s.replies
		if got, isLine := strings.CutSuffix(got, "\r"); !open || !isLine || !wild(arg, got) {
			s.fatalf("the server says %q, want %q", got, arg)
		}
		s.notePort(got)
	case "S.":
		if got, open := <-s.replies; open {
			s.fatalf("the server says %q, and does not hang up", got)
		}
	case "D>", "D=", "D.", "D!":
		s.transferStep(mark, arg)
	default:
		s.fatalf("what is %q?", mark)
	}
}

// wild matches a text with a pattern in which * stands for anything.
func wild(want, got string) bool {
	parts := strings.Split(want, "*")
	if len(parts) == 1 {
		return want == got
	}
	if !strings.HasPrefix(got, parts[0]) {
		return false
	}
	got = got[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		_, rest, found := strings.Cut(got, p)
		if !found {
			return false
		}
		got = rest
	}
	return strings.HasSuffix(got, parts[len(parts)-1])
}
