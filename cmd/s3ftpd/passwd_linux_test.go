package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal returns both ends of a pseudo-terminal: person to type at, and program as standard input.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("there are no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

// typed runs passwd at a terminal, types one answer to each prompt, and returns the exit code, standard output and the text on the screen.
func typed(t *testing.T, answers ...string) (code int, stdout, seen string) {
	t.Helper()
	person, program := terminal(t)
	var out bytes.Buffer
	done := make(chan int, 1)
	go func() { done <- run(t.Context(), []string{"passwd"}, nil, program, &out, program) }()
	var screen strings.Builder
	for _, answer := range answers {
		readUntil(t, person, &screen, ": ")
		io.WriteString(person, answer)
	}
	code = <-done
	fmt.Fprint(program, "(end)")
	readUntil(t, person, &screen, "(end)")
	return code, out.String(), screen.String()
}

func readUntil(t *testing.T, r io.Reader, screen *strings.Builder, end string) {
	t.Helper()
	for b := make([]byte, 1); !strings.HasSuffix(screen.String(), end); {
		if _, err := r.Read(b); err != nil {
			t.Fatalf("%v after %q", err, screen.String())
		}
		screen.Write(b)
	}
}

func TestPasswdAtTerminal(t *testing.T) {
	code, out, seen := typed(t, "wonderland\r", "wonderland\r")
	if code != 0 || strings.Contains(seen, "wonder") || strings.Contains(seen, "argon") {
		t.Errorf("%d, seen: %q", code, seen)
	}
	if err := checkHash(t, strings.TrimSpace(out), "wonderland"); err != nil {
		t.Errorf("%q: %v", out, err)
	}
	code, out, seen = typed(t, "wonderland\r", "wonderlnad\r")
	if code != exitFailure || out != "" || !strings.Contains(seen, "the two passwords differ") || strings.Contains(seen, "wonder") {
		t.Errorf("%d, %q, seen: %q", code, out, seen)
	}
	code, out, seen = typed(t, "wonderland\r", "\x03")
	if code != exitFailure || out != "" || !strings.Contains(seen, "interrupted") {
		t.Errorf("Ctrl-C: %d, %q, seen: %q", code, out, seen)
	}
}
