package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Log collects the log of a program, one JSON object per line. It is the program's standard error.
type Log struct {
	mu    sync.Mutex
	lines []string
	rest  []byte
	more  chan struct{} // closed at the next line
}

// NewLog returns an empty Log.
func NewLog() *Log { return &Log{more: make(chan struct{})} }

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.rest = append(l.rest, p...); ; {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		l.lines, l.rest = append(l.lines, string(line)), rest
		close(l.more)
		l.more = make(chan struct{})
	}
}

// Since returns the lines from index from on.
func (l *Log) Since(from int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines[from:]
}

// Mark returns the number of lines, for Since, Entries and AwaitFrom.
func (l *Log) Mark() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.lines)
}

// Tail returns the last n lines.
func (l *Log) Tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines[max(0, len(l.lines)-n):], "\n")
}

// Entries returns the entries with this message and all these attributes, "key=value", from index from on.
func (l *Log) Entries(from int, msg string, attrs ...string) (found []map[string]any) {
	for _, line := range l.Since(from) {
		if e := Entry(line); e != nil && e["msg"] == msg && hasAll(e, attrs) {
			found = append(found, e)
		}
	}
	return found
}

// Await waits for an entry with this message and all these attributes, "key=value", for a minute, and returns the first.
func (l *Log) Await(t testing.TB, msg string, attrs ...string) map[string]any {
	t.Helper()
	return l.AwaitFrom(t, 0, msg, attrs...)
}

// AwaitFrom is Await for the entries from index from on.
func (l *Log) AwaitFrom(t testing.TB, from int, msg string, attrs ...string) map[string]any {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	for {
		l.mu.Lock()
		lines, more := l.lines[from:], l.more
		l.mu.Unlock()
		for _, line := range lines {
			if e := Entry(line); e != nil && e["msg"] == msg && hasAll(e, attrs) {
				return e
			}
		}
		from += len(lines)
		select {
		case <-more:
		case <-ctx.Done():
			t.Fatalf("the log does not say %q %v; it ends with\n%s", msg, attrs, l.Tail(20))
		}
	}
}

// Entry parses a line, and returns nil for one that is not JSON.
func Entry(line string) (e map[string]any) {
	if json.Unmarshal([]byte(line), &e) != nil {
		return nil
	}
	return e
}

func hasAll(e map[string]any, attrs []string) bool {
	for _, a := range attrs {
		key, value, _ := strings.Cut(a, "=")
		if fmt.Sprint(e[key]) != value {
			return false
		}
	}
	return true
}

// Has reports whether the log has an entry with this message.
func (l *Log) Has(msg string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.lines, func(line string) bool { e := Entry(line); return e != nil && e["msg"] == msg })
}
