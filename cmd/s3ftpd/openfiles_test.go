package main

import (
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/config"
)

// A limit of open files that is too low for --max-sessions is reported with both options to change; without a limit nothing is.
func TestOpenFilesProblem(t *testing.T) {
	for _, test := range []struct {
		sessions int
		limit    uint64
		problem  string
		advice   string
	}{
		{1024, 4160, "", ""},
		{1024, 4159, "is 4159, and --max-sessions 1024 can need 4160", "--max-sessions 1023"},
		{100, 200, "is 200, and --max-sessions 100 can need 464", "--max-sessions 34"},
		{100, 10, "can need 464", "--max-sessions 1"},
		{1024, 0, "", ""},
	} {
		problem, advice := openFilesProblem(&config.Config{MaxSessions: test.sessions}, test.limit)
		if (problem == "") != (test.problem == "") || !strings.Contains(problem, test.problem) || !strings.Contains(advice, test.advice) {
			t.Errorf("%d sessions with %d open files: got %q, %q, want %q, %q", test.sessions, test.limit, problem, advice, test.problem, test.advice)
		}
	}
}
