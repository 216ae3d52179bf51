package ftp

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// A recorder is an Observer that records events with their sessions.
type recorder struct {
	mu         sync.Mutex
	events     []proxy.Event
	sessions   []proxy.SessionInfo // by event
	hasSession []bool              // whether the context had a session
}

func (r *recorder) Observe(ctx context.Context, e proxy.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	info, ok := proxy.SessionFrom(ctx)
	r.events, r.sessions, r.hasSession = append(r.events, e), append(r.sessions, info), append(r.hasSession, ok)
}

// only returns the event of a kind, which must be the only one, and its session.
func (r *recorder) only(t *testing.T, kind string) (proxy.Event, proxy.SessionInfo) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	found := -1
	for i, e := range r.events {
		switch {
		case e.Kind() != kind:
		case found >= 0:
			t.Fatalf("two events of the same kind: %+v and %+v", r.events[found], e)
		default:
			found = i
		}
		if !r.hasSession[i] && kind != "accept.failed" {
			t.Errorf("%+v has no session", e)
		}
	}
	if found < 0 {
		t.Fatalf("no event %s among %+v", kind, r.events)
	}
	return r.events[found], r.sessions[found]
}

// An eventTest is a transcript that causes one event of a kind, and that event. Durations are not compared, and of errors only whether
// one is set. User is the one in the event's context.
type eventTest struct {
	play string
	want proxy.Event
	user string
}

const (
	connects  = "! login no\nS> 220 *\n"
	logsIn    = connects + "C> USER test\nS> 331 *\nC> PASS secret\nS> 230 *\n"
	startsTLS = "C> AUTH TLS\nS> 234 *\nH>\n"
)

var someError = syscall.EINVAL

// eventTests has a test for each kind of event.
var eventTests = map[string]eventTest{
	"session.start":   {connects + "C> NOOP\nS> 200 *\n", event.SessionStart{}, ""},
	"session.end":     {logsIn + "C> QUIT\nS> 221 *\nS.", event.SessionEnd{}, "test"},
	"session.refused": {"! max-sessions 1\n" + connects + "2\nS> 421 *\nS.", event.SessionRefused{Code: 421, Err: someError}, ""},
	"client.software": {connects + "C> CLNT camera 1.0\nS> 200 *", event.ClientSoftware{Name: "camera 1.0"}, ""},
	"panic":           {"! fail /a panic\n" + logsIn + "C> SIZE a\nS> 421 *\nS.", event.Panic{Where: "command", Err: someError}, "test"},
	"login.ok":        {logsIn, event.LoginOK{Method: proxy.ByPassword}, "test"},
	"login.refused": {connects + "C> USER test\nS> 331 *\nC> PASS wrong\nT> 1s\nS> 530 *",
		event.LoginRefused{User: "test", Method: proxy.ByPassword, Code: 530, Err: someError}, ""},
	"login.undecided": {"! fail login down\n" + connects + "C> USER test\nS> 331 *\nC> PASS secret\nS> 530 *",
		event.LoginUndecided{User: "test", Method: proxy.ByPassword, Code: 530, Err: someError}, ""},
	"login.certificate": {"! tls optional\n! client-certificate\n" + connects + "! show other\n" + startsTLS + "C> USER test\nS> 331 *",
		event.CertificateInsufficient{User: "test", Err: someError}, ""},

	"command": {connects + "C> NOOP\nS> 200 *", event.Command{Command: "NOOP"}, ""},
	"command.failed": {logsIn + "C> DELE f\nS> 550 *",
		event.CommandFailed{Command: "DELE", Name: "f", Code: 550, Cause: event.CauseRequest, Err: someError}, "test"},
	"transfer.end": {logsIn + "<= /a \"hello\"\nC> EPSV\nS> 229 *\nC> REST 2\nS> 350 *\nC> RETR a\nS> 150 *\nD= \"llo\"\nD.\nS> 226 *",
		event.TransferEnd{Direction: proxy.Download, Command: "RETR", Name: "/a", Offset: 2, Bytes: 3, Code: 226, Opened: true,
			Stored: proxy.Stored{Key: "/a", Size: 5, ETag: "5"}}, "test"},
	"file.delete": {logsIn + "<= /a \"x\"\nC> DELE a\nS> 250 *", event.FileDelete{Name: "/a", Stored: proxy.Stored{Key: "/a", OldETag: "1", OldSize: 1}}, "test"},
	"file.rename": {logsIn + "<= /a \"x\"\nC> RNFR a\nS> 350 *\nC> RNTO b\nS> 250 *", event.Rename{Name: "/a", To: "/b", Stored: proxy.Stored{Key: "/b", From: "/a", Size: 1, ETag: "1"}}, "test"},
	"file.time": {logsIn + "<= /a \"x\"\nC> MFMT 20260102030405 a\nS> 213 *",
		event.SetTime{Name: "/a", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Stored: proxy.Stored{Key: "/a"}}, "test"},
	"dir.make":   {logsIn + "C> MKD d\nS> 257 *", event.Mkdir{Name: "/d", Stored: proxy.Stored{Key: "/d/"}}, "test"},
	"dir.delete": {logsIn + "<= /d/ \"\"\nC> RMD d\nS> 250 *", event.Rmdir{Name: "/d", Stored: proxy.Stored{Key: "/d/"}}, "test"},

	"accept.failed": {connects, event.AcceptFailed{Address: "192.0.2.1:21", Err: someError}, ""}, // see failOnce
	"tls.handshake": {"! tls optional\n! tls-version 1.3\n" + connects + startsTLS + "C> NOOP\nS> 200 *",
		event.TLSHandshake{Version: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256"}, ""},
	"tls.legacy": {"! tls optional\n! tls-legacy\n! tls-version 1.0\n" + connects + startsTLS + "C> NOOP\nS> 200 *",
		event.TLSLegacy{Version: "TLS 1.0", Cipher: "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"}, ""},
	"data.open": {logsIn + "<= /a \"x\"\nC> PORT 192,0,2,7,8,0\nS> 200 *\nC> RETR a\nS> 150 *\nD= \"x\"\nD.\nS> 226 *", event.DataOpen{Mode: "active"}, "test"},
	"passive.exhausted": {"! passive-ports 60000\n" + logsIn + "C> EPSV\nS> 229 *\n2\nS> 220 *\nC> USER test\nS> 331 *\nC> PASS secret\nS> 230 *\n" +
		"C> EPSV\nT> 2s\nS> 425 *", event.PassiveExhausted{Code: 425, Err: someError}, "test"},
	"passive.unresolved": {"! passive-address nowhere\n" + logsIn + "C> PASV\nS> 425 *", event.PassiveUnresolved{Code: 425, Err: someError}, "test"},
}

// An Observer gets each event once, with the session and the user in its context.
func TestObserver(t *testing.T) {
	all := kinds(t)
	all = slices.DeleteFunc(all, func(kind string) bool { // of packages auth, observe and sftp
		return kind == "login.banned" || strings.HasPrefix(kind, "events.") || strings.HasPrefix(kind, "ssh.")
	})
	for _, kind := range all {
		t.Run(kind, func(t *testing.T) {
			scene, ok := eventTests[kind]
			if !ok {
				t.Fatal("no scene has this kind of event")
			}
			synctest.Test(t, func(t *testing.T) { scene.run(t, kind) })
		})
	}
	if n := len(all); n != len(eventTests) {
		t.Errorf("%d kinds of events, but %d tests", n, len(eventTests))
	}
}

func (c eventTest) run(t *testing.T, kind string) {
	s, rec := newScript(t), new(recorder)
	s.srv.Observer = rec
	setUp, play, _ := strings.Cut(c.play, connects)
	s.play(setUp)
	stop := s.serve()
	defer stop()
	if kind == "accept.failed" {
		s.failOnce()
	}
	s.play(connects + play)
	synctest.Wait()
	got, info := rec.only(t, kind)
	if got := normalized(got); !reflect.DeepEqual(got, normalized(c.want)) {
		t.Errorf("got  %+v\nwant %+v", got, c.want)
	}
	if kind == "accept.failed" {
		return
	}
	if info.ID == "" || info.Protocol != "ftp" || info.Client.Addr() != clientAddr || info.User != c.user {
		t.Errorf("the session is %+v, want the user %q", info, c.user)
	}
}

// TransferEnd of a complete upload has the Stored, that of a failed one only what the store tells.
func TestTransferEndHasStored(t *testing.T) {
	const begins = logsIn + "C> EPSV\nS> 229 *\nC> STOR a\nS> 150 *\nD> hello\n"
	for play, want := range map[string]proxy.Stored{
		begins + "D.\nS> 226 *": {Key: "/a", Size: 7},
		begins + "D!\nS> 426 *": {},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, rec := newScript(t), new(recorder)
			s.srv.Observer = rec
			stop := s.serve()
			defer stop()
			s.play(play)
			synctest.Wait()
			e, _ := rec.only(t, "transfer.end")
			got := e.(event.TransferEnd).Stored
			if got.ETag == "" && want.Size > 0 {
				t.Error("no ETag")
			}
			if got.ETag = ""; got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

// failOnce runs the server with another listener, on which Accept fails once.
func (s *script) failOnce() {
	l := scriptedListener{make(chan error, 1), make(chan struct{})}
	l.accepts <- syscall.EMFILE
	go s.srv.Serve(s.t.Context(), l)
	synctest.Wait()
}

// normalized returns an event with the error someError and the duration 0.
func normalized(e proxy.Event) proxy.Event {
	v := reflect.New(reflect.TypeOf(e)).Elem()
	v.Set(reflect.ValueOf(e))
	if f := v.FieldByName("Err"); f.IsValid() && !f.IsNil() {
		f.Set(reflect.ValueOf(someError))
	}
	if f := v.FieldByName("Duration"); f.IsValid() {
		f.SetInt(0)
	}
	return v.Interface().(proxy.Event)
}

// kinds returns the kinds of all events, from the source of package event, so that no new one is forgotten here.
func kinds(t *testing.T) (all []string) {
	t.Helper()
	files, err := filepath.Glob("../event/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv == nil || f.Name.Name != "Kind" {
				continue
			}
			ast.Inspect(f.Body, func(n ast.Node) bool {
				if text, ok := n.(*ast.BasicLit); ok {
					all = append(all, strings.Trim(text.Value, `"`))
				}
				return true
			})
		}
	}
	return all
}
