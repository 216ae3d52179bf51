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
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/ftp/modez"
	"github.com/s3ftpd/s3ftpd/proxy/observe"
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
		{syscall.ESPIPE, slog.LevelInfo},
		{fs.ErrNotExist, slog.LevelDebug},
		{fmt.Errorf("delete /a: %w", proxy.ErrDenied), slog.LevelDebug},
		{fmt.Errorf("%w, and no access to a file: %w", fs.ErrNotExist, fs.ErrPermission), slog.LevelDebug},
		{reply{501, "a slip"}, slog.LevelDebug},
		{fmt.Errorf("%w: %w", reply{553, "too much"}, syscall.EFBIG), slog.LevelDebug},
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
				s.store.fail["/f"], s.store.fail["/f/"] = cause, cause
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
				yield(proxy.Entry{}, errDown)
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
	if err := causedBy(ctx, errDown); err != errDown {
		t.Errorf("before the context ends: %v, want %v", err, errDown)
	}
	cancel(errAborted)
	err := causedBy(ctx, errDown)
	if !errors.Is(err, errAborted) || errors.Is(err, errDown) || replyTo(err).code != 426 || causeOf(err) != event.CauseClient ||
		!strings.Contains(err.Error(), errAborted.Error()) || !strings.Contains(err.Error(), errDown.Error()) {
		t.Errorf("%v, %v, %v", err, replyTo(err), causeOf(err))
	}
	if err := causedBy(ctx, fmt.Errorf("put: %w", errAborted)); err != errAborted {
		t.Errorf("an error that wraps the cause becomes %v, want %v", err, errAborted)
	}
}

// A command that is refused before it starts is not logged as a failure. One with an invalid argument is.
func TestRefusedCommandsAreNotLogged(t *testing.T) {
	for _, c := range []struct{ command, code, level string }{
		{"STRU R", "504", ""}, {"RNTO b", "503", ""}, {"STOR f", "425", ""},
		{"PORT 1", "501", "DEBUG"}, {"EPRT 1", "501", "DEBUG"}, {"XCRC f 2 1", "501", "DEBUG"},
	} {
		inBubbleWithLog(t, nil, func(s *script, log *logBuffer) {
			s.play("C> " + c.command + "\nS> " + c.code + " *")
			if got := levelOf(log.String(), "command.failed"); got != c.level {
				t.Errorf("%q is logged at %q, want %q:\n%s", c.command, got, c.level, log.String())
			}
		})
	}
}
