package ftp

import (
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// commandGoroutines returns the number of goroutines that run commands of sessions.
func commandGoroutines() int {
	all := make([]byte, 4<<20)
	return strings.Count(string(all[:runtime.Stack(all, true)]), "ftp.(*session).serve(")
}

// An idle session has no goroutine that runs commands. Each of these events resumes it.
func TestIdleSessionHasNoGoroutine(t *testing.T) {
	for event, play := range map[string]string{
		"a command":        "C> NOOP\nS> 200 *",
		"several":          "C> NOOP\nC> NOOP\nS> 200 *\nS> 200 *",
		"the timeout":      "T> 5m\nS> 421 Idle timeout*\nS.",
		"a shutdown":       "! drain\nS> 421 Server is shutting down*\nS.",
		"the client's end": "C.",
	} {
		t.Run(event, func(t *testing.T) {
			inBubbleWithLog(t, nil, func(s *script, log *logBuffer) {
				s.play("C> NOOP\nS> 200 *")
				if n := commandGoroutines(); n != 1 {
					t.Fatalf("%d goroutines run commands just after one, want 1", n)
				}
				<-time.After(idleAfter)
				synctest.Wait()
				if n := commandGoroutines(); n != 0 {
					t.Errorf("%d goroutines run commands %v after the last one, want none", n, idleAfter)
				}
				s.play(play)
				ends := !strings.Contains(play, "NOOP")
				synctest.Wait()
				if n, _ := s.srv.sessions().Running(); n == 0 != ends {
					t.Errorf("%d sessions run after %s", n, event)
				}
			})
		})
	}
}

// A command that comes while a session becomes idle is run at once.
func TestCommandWhileBecomingIdle(t *testing.T) {
	inBubble(t, func(s *script) {
		for range 2000 {
			<-time.After(idleAfter)
			s.play("C> NOOP\nS> 200 *")
		}
	})
}

// A session whose client leaves, or that is drained, while it becomes idle ends at once.
func TestEndWhileBecomingIdle(t *testing.T) {
	for _, end := range []string{"C.", "! drain"} {
		for range 500 {
			inBubbleWithLog(t, nil, func(s *script, _ *logBuffer) {
				s.play("C> NOOP\nS> 200 *")
				<-time.After(idleAfter)
				s.play(end)
				synctest.Wait()
				if n, _ := s.srv.sessions().Running(); n != 0 {
					s.fatalf("%d sessions run after %s", n, end)
				}
			})
		}
	}
}
