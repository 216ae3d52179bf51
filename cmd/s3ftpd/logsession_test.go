package main

import (
	"encoding/json"
	"io"
	"net"
	"strings"
	"testing"
)

// lineOf returns the line with a message in a JSON log.
func lineOf(t *testing.T, log, message string) map[string]any {
	t.Helper()
	for text := range strings.Lines(log) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if line["msg"] == message {
			return line
		}
	}
	t.Fatalf("nothing says %q in\n%s", message, log)
	return nil
}

// Log lines of s3fs have the session and the user that they are about, and no line has a nil error.
func TestLinesOfTheStoreHaveTheirSession(t *testing.T) {
	r, address, _ := startDemo(t, t.TempDir())
	dial(t, address) // another session
	c := dial(t, address)
	expect(t, c, "USER demo", 331)
	expect(t, c, "PASS demo", 230)
	data := passiveData(t, c)
	expect(t, c, "STOR broken", 150)
	if _, err := io.WriteString(data, strings.Repeat("content ", 4<<20)); err != nil {
		t.Fatal(err)
	}
	data.(*net.TCPConn).SetLinger(0)
	data.Close()
	expect(t, c, "", 426)
	expect(t, c, "QUIT", 221)
	r.end(t)
	log := r.stderr.String()
	login, line := lineOf(t, log, "login"), lineOf(t, log, "upload suspended, can be resumed")
	if line["session"] != login["session"] || line["session"] == nil || line["user"] != "demo" {
		t.Errorf("%v, of the session of %v", line, login)
	}
	if strings.Contains(log, `"err":null`) {
		t.Errorf("an error that is none:\n%s", log)
	}
}
