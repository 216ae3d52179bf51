package ftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/ftp/modez"
	"github.com/s3ftpd/s3ftpd/proxy/observe"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// A logBuffer is a bytes.Buffer for several goroutines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// inBubbleWithLog is inBubble with a log at level debug. It calls set, if not nil, before the server starts.
func inBubbleWithLog(t *testing.T, set func(*Server), f func(*script, *logBuffer)) {
	synctest.Test(t, func(t *testing.T) {
		s, log := newScript(t), new(logBuffer)
		s.srv.Observer = observe.Log(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
		if set != nil {
			set(s.srv)
		}
		stop := s.serve()
		defer stop()
		f(s, log)
	})
}

// levelOf returns the level of the last log line that contains text, or "".
func levelOf(log, text string) (level string) {
	for l := range strings.Lines(log) {
		if _, after, ok := strings.Cut(l, "level="); ok && strings.Contains(l, text) {
			level, _, _ = strings.Cut(after, " ")
		}
	}
	return level
}

func TestLevelOfCauses(t *testing.T) {
	denied := fmt.Errorf("put /f: %w", fmt.Errorf("%w: AccessDenied", fs.ErrPermission))
	for _, c := range []struct {
		err  error
		want slog.Level
	}{
		{nil, slog.LevelInfo},
		{denied, slog.LevelWarn},
		{errors.New("the bucket does not exist"), slog.LevelWarn},
		{os.ErrDeadlineExceeded, slog.LevelWarn},
		{syscall.ENOSPC, slog.LevelWarn},
		{syscall.ENOBUFS, slog.LevelWarn},
		{errors.ErrUnsupported, slog.LevelWarn},
		{connectError{syscall.ECONNREFUSED}, slog.LevelWarn},
		{connectError{fs.ErrPermission}, slog.LevelWarn},
		{dataError{syscall.ECONNRESET}, slog.LevelInfo},
		{dataError{syscall.EPERM}, slog.LevelInfo},
		{tlsError{errNotResumed}, slog.LevelInfo},
		{errAborted, slog.LevelInfo},
		{errTooShort, slog.LevelInfo},
		{modez.ErrTruncated, slog.LevelInfo},
		{modez.ErrCorrupt, slog.LevelInfo},
		{modez.ErrNotZlib, slog.LevelInfo},
		{modez.ErrExpands, slog.LevelInfo},
		{errControlLost, slog.LevelInfo},
		{errTooManyQueued, slog.LevelInfo},
		{errDrainTimeout, slog.LevelInfo},
		{proxy.ErrSessionEnded, slog.LevelInfo},
		{fs.ErrExist, slog.LevelInfo},
		{fs.ErrInvalid, slog.LevelInfo},
		{syscall.EISDIR, slog.LevelInfo},
		{syscall.ENOTEMPTY, slog.LevelInfo},
		{syscall.EFBIG, slog.LevelInfo},
		{fmt.Errorf("put: %w", &proxy.LimitError{}), slog.LevelInfo},
		{syscall.ESPIPE, slog.LevelInfo},
		{fs.ErrNotExist, slog.LevelInfo},
		{fmt.Errorf("delete /a: %w", proxy.ErrDenied), slog.LevelInfo},
		{fmt.Errorf("%w, and no access to a file: %w", fs.ErrNotExist, fs.ErrPermission), slog.LevelInfo},
		{reply{501, "a slip"}, slog.LevelInfo},
		{fmt.Errorf("%w: %w", reply{553, "too much"}, syscall.EFBIG), slog.LevelInfo},
	} {
		if got := observe.Level(causeOf(c.err)); got != c.want {
			t.Errorf("%v is logged at %v, want %v", c.err, got, c.want)
		}
	}
}

// If the storage denies access, the operator must see a warning, for each command. Other refusals are no warnings.
func TestAccessDeniedIsLoggedAsWarning(t *testing.T) {
	denied := fmt.Errorf("%w: AccessDenied", fs.ErrPermission)
	for _, c := range []struct{ command, reply string }{
		{"EPSV\nSTOR f", "550"}, {"EPSV\nAPPE f", "550"}, {"EPSV\nRETR f", "550"}, {"EPSV\nLIST f", "550"},
		{"EPSV\nNLST f", "550"}, {"EPSV\nMLSD f", "550"},
		{"SIZE f", "550"}, {"MDTM f", "550"}, {"MLST f", "550"}, {"STAT f", "550"}, {"CWD f", "550"},
		{"HASH f", "550"}, {"XMD5 f", "550"}, {"DELE f", "550"}, {"RNFR f", "550"}, {"RNFR g\nRNTO f", "550"},
		{"MKD f", "550"}, {"RMD f", "550"}, {"MFMT 20260102030405 f", "550"}, {"SITE UTIME 20260102030405 f", "550"},
	} {
		for _, cause := range []error{denied, syscall.EISDIR, fs.ErrExist} {
			inBubbleWithLog(t, nil, func(s *script, log *logBuffer) {
				s.play("<= /g \"x\"")
				s.store.Fail["/f"], s.store.Fail["/f/"] = cause, cause
				commands := strings.Split(c.command, "\n")
				for i, command := range commands {
					s.play("C> " + command)
					if i < len(commands)-1 {
						s.play(map[bool]string{true: "S> 229 *", false: "S> 350 *"}[command == "EPSV"])
					}
				}
				if strings.HasSuffix(c.command, "STOR f") {
					s.play("S> 150 *\nD= \"x\"\nD.")
				}
				s.play("S> " + c.reply + " *")
				got, want := levelOf(log.String(), "code="+c.reply), "WARN"
				if cause != denied {
					want = "INFO"
				}
				if got != want {
					t.Errorf("%q: %v is logged at %q, want %s:\n%s", c.command, cause, got, want, log.String())
				}
			})
		}
	}
}

// A brokenList is a store with listings that fail after the first entry.
type brokenList struct{ proxy.Store }

func (b brokenList) List(ctx context.Context, dir, prefix string) iter.Seq2[proxy.Entry, error] {
	return func(yield func(proxy.Entry, error) bool) {
		for e := range b.Store.List(ctx, dir, prefix) {
			if yield(e, nil) {
				yield(proxy.Entry{}, storetest.ErrDown)
			}
			return
		}
	}
}

// A listing by STAT that fails is logged, although the reply is 213.
func TestFailedStatIsLogged(t *testing.T) {
	failing := func(srv *Server) {
		login := srv.Login
		srv.Login = func(ctx context.Context, a proxy.Attempt) (proxy.Account, error) {
			account, err := login(ctx, a)
			account.Store = brokenList{account.Store}
			return account, err
		}
	}
	inBubbleWithLog(t, failing, func(s *script, log *logBuffer) {
		s.play("<= /d/a \"\"\nC> STAT d\nS> 213-*\nS> -rw*\nS> 213 Incomplete*")
		if got := levelOf(log.String(), "secret internals"); got != "WARN" {
			t.Errorf("logged at %q, want WARN:\n%s", got, log.String())
		}
	})
}

// If an operation fails because its context was cancelled, the cause of that determines the reply and the level of the log, which has
// both errors.
func TestCauseOfContextIsJoined(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	if err := causedBy(ctx, storetest.ErrDown); err != storetest.ErrDown {
		t.Errorf("before the context ends: %v, want %v", err, storetest.ErrDown)
	}
	cancel(errAborted)
	err := causedBy(ctx, storetest.ErrDown)
	if !errors.Is(err, errAborted) || errors.Is(err, storetest.ErrDown) || replyTo(err).code != 426 || causeOf(err) != event.CauseClient ||
		!strings.Contains(err.Error(), errAborted.Error()) || !strings.Contains(err.Error(), storetest.ErrDown.Error()) {
		t.Errorf("%v, %v, %v", err, replyTo(err), causeOf(err))
	}
	if err := causedBy(ctx, fmt.Errorf("put: %w", errAborted)); err != errAborted {
		t.Errorf("an error that wraps the cause becomes %v, want %v", err, errAborted)
	}
}

// Each refusal is one line at info or above, whatever refused the command.
func TestEachRefusalIsLoggedOnce(t *testing.T) {
	for _, c := range []struct {
		name, play string
		want       string // the end of the line
	}{
		{"not implemented", "C> XYZ secret\nS> 502 *", `command=XYZ code=502 cause=request err="502 Command not implemented."`},
		{"no command", "C> hunter2 secret\nS> 500 *", `code=500 cause=request err="500 Syntax error, command unrecognized."`},
		{"long word", "C> hunter secret\nS> 502 *", `code=502 cause=request err="502 Command not implemented."`},
		{"no argument", "C> SIZE\nS> 501 *", `command=SIZE code=501 cause=request err="501 SIZE requires an argument: file."`},
		{"invalid argument", "C> PORT 1\nS> 501 *", `command=PORT name=1 code=501 cause=request err="PORT: 501 Use PORT h1,h2,h3,h4,p1,p2."`},
		{"invalid range", "C> XCRC f 2 1\nS> 501 *", `command=XCRC name="f 2 1" code=501 cause=request err="range: 501 Use file [start end], start < end."`},
		{"wrong order", "C> RNTO b\nS> 503 *", `command=RNTO name=b code=503 cause=request err="503 Send RNFR first."`},
		{"not supported", "C> STRU R\nS> 504 *", `command=STRU name=R code=504 cause=request err="504 Structure not implemented, use STRU F."`},
		{"no data connection", "C> STOR f\nS> 425 *", `command=STOR name=f code=425 cause=request err="425 Use PASV, EPSV, PORT or EPRT first."`},
		{"missing file", "C> SIZE f\nS> 550 *", `command=SIZE name=f code=550 cause=request err="file does not exist"`},
		{"missing directory", "C> CWD d\nS> 550 *", `command=CWD name=d code=550 cause=request err="file does not exist"`},
		{"missing file of a transfer", "C> EPSV\nS> 229 *\nC> RETR f\nS> 550 *", `name=/f direction=download bytes=0 seconds=0 code=550 cause=request err="file does not exist"`},
		{"charset", "C= \"MKD \\xe9\\r\\n\"\nS> 553 File name is not in the expected charset.", `name="\xe9" code=553 cause=client err="the name is not in the expected charset: invalid argument"`},
		{"login", "C> USER tester\nS> 331 *\nC> PASS wrong\nT> 1s\nS> 530 *", `user=tester method=password code=530 err="wrong user or password"`},
		{"no login", "C> REIN\nS> 220 *\nC> STOR f\nS> 530 *", `command=STOR name=f code=530 cause=request err="530 Please log in with USER and PASS."`},
		{"unknown before the login", "C> REIN\nS> 220 *\nC> XYZ secret\nS> 502 *", `code=502 cause=request err="502 Command not implemented."`},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubbleWithLog(t, nil, func(s *script, log *logBuffer) {
				s.play(c.play)
				refusals := slices.DeleteFunc(loggedAbove(log.String(), slog.LevelDebug), func(l string) bool {
					return strings.Contains(l, "event=session.start") || strings.Contains(l, "event=login.ok")
				})
				if len(refusals) != 1 || !strings.HasSuffix(refusals[0], c.want) || strings.Contains(refusals[0], "secret") {
					t.Errorf("logged:\n%s\nwant one line that ends with %s", strings.Join(refusals, "\n"), c.want)
				}
			})
		})
	}
}

// loggedAbove returns the lines above a level.
func loggedAbove(log string, level slog.Level) (lines []string) {
	for l := range strings.Lines(log) {
		var at slog.Level
		_, after, _ := strings.Cut(l, "level=")
		name, _, _ := strings.Cut(after, " ")
		if err := at.UnmarshalText([]byte(name)); err == nil && at > level {
			lines = append(lines, strings.TrimSuffix(l, "\n"))
		}
	}
	return lines
}

// A session with many refusals does not fill the log: further ones are at level debug.
func TestFrequentRefusalsAreLoggedAtDebug(t *testing.T) {
	inBubbleWithLog(t, nil, func(s *script, log *logBuffer) {
		for range event.MaxRefusals + 1 {
			s.play("C> SIZE f\nS> 550 *")
		}
		all := strings.Count(log.String(), "command=SIZE name=f code=550")
		info := strings.Count(strings.Join(loggedAbove(log.String(), slog.LevelDebug), "\n"), "command=SIZE name=f code=550")
		s.play("C> MDTM f\nS> 550 *")
		if other := loggedAbove(log.String(), slog.LevelDebug); !strings.Contains(other[len(other)-1], "command=MDTM") {
			t.Errorf("another command is logged as %s", other[len(other)-1])
		}
		if all != event.MaxRefusals+1 || info != event.MaxRefusals {
			t.Errorf("%d lines, %d of them above debug, want %d and %d", all, info, event.MaxRefusals+1, event.MaxRefusals)
		}
	})
}

// The end of a session has its reason, unless the client has sent QUIT.
func TestEndOfSessionHasItsReason(t *testing.T) {
	for play, want := range map[string]string{
		"C> REIN\nS> 220 *\n" + strings.Repeat("C> XYZ\nS> 502 *\n", maxUnknown-1) + "C> XYZ\nS> 421 *\nS.": `err="421 Too many unknown commands, closing connection."`,
		"! login no\nS> 220 *\n" + strings.Repeat("C> USER test\nS> 331 *\nC> PASS wrong\nT> 1s\nS> 530 *\n", maxFailedLogins-1) +
			"C> USER test\nS> 331 *\nC> PASS wrong\nT> 1s\nS> 421 *\nS.": `err="421 Too many failed logins, closing connection."`,
		"C> QUIT\nS> 221 *\nS.": "",
	} {
		synctest.Test(t, func(t *testing.T) {
			s, log := newScript(t), new(logBuffer)
			s.srv.Observer = observe.Log(slog.New(slog.NewTextHandler(log, nil)))
			stop := s.serve()
			s.play(play)
			stop()
			lines := loggedAbove(log.String(), slog.LevelDebug)
			last := lines[len(lines)-1]
			if !strings.Contains(last, "event=session.end") || !strings.Contains(last, want) || want == "" && strings.Contains(last, "err=") {
				t.Errorf("the last line is %s, want one of session.end with %q", last, want)
			}
		})
	}
}

// A monitoring probe, which connects and leaves, is logged at debug. Any command makes it a session.
func TestProbeIsLoggedAtDebug(t *testing.T) {
	for play, want := range map[string]string{"! login no\nS> 220 *\nC.": "DEBUG", "! login no\nS> 220 *\nC> NOOP\nS> 200 *\nC.": "INFO"} {
		inBubbleWithLog(t, nil, func(s *script, log *logBuffer) {
			s.play(play)
			synctest.Wait()
			for _, event := range []string{"session.start", "session.end"} {
				if got := levelOf(log.String(), "event="+event); got != want || strings.Count(log.String(), "event="+event) != 1 {
					t.Errorf("%q: %s is logged at %q, want %s once:\n%s", play, event, got, want, log.String())
				}
			}
		})
	}
}
