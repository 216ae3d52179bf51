package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/s3ftpd/s3ftpd/proxy/auth"
)

// passwd reads a password from standard input and prints its hash.
func passwd(ctx context.Context, p *process) error {
	if err := p.only(); err != nil {
		return err
	}
	prompt := func() (string, error) { return firstLine(p.stdin) }
	if f, ok := p.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		prompt = func() (string, error) { return askTwice(ctx, f, p.stderr) }
	}
	password, err := prompt()
	if err != nil {
		return err
	}
	hash, err := auth.Hash(password)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.stdout, hash)
	return err
}

// firstLine reads one line, without its line ending and without a byte order mark.
func firstLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 64<<10)).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	return strings.TrimPrefix(strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), "\uFEFF"), nil
}

// askTwice asks for the password at a terminal, without echo. It restores the state of the terminal.
func askTwice(ctx context.Context, terminal *os.File, prompt io.Writer) (string, error) {
	before, err := term.MakeRaw(int(terminal.Fd())) // before the prompt, so that characters typed early are not shown either
	if err != nil {
		return "", fmt.Errorf("asking for the password: %w", err)
	}
	defer term.Restore(int(terminal.Fd()), before)
	type answer struct {
		password string
		err      error
	}
	answers := make(chan answer, 1)
	go func() {
		password, err := twice(term.NewTerminal(struct {
			io.Reader
			io.Writer
		}{terminal, prompt}, ""))
		answers <- answer{password, err}
	}()
	select {
	case a := <-answers:
		return a.password, a.err
	case <-ctx.Done(): // the goroutine ends with the process
		return "", errInterrupted
	}
}

var errInterrupted = errors.New("interrupted")

// twice asks for a password two times, and compares the answers.
func twice(t *term.Terminal) (string, error) {
	first, err := t.ReadPassword("Password: ")
	if err == nil {
		var second string
		second, err = t.ReadPassword("Again: ")
		if err == nil && first != second {
			err = errors.New("the two passwords differ")
		}
	}
	if err == io.EOF { // Ctrl-C, Ctrl-D
		err = errInterrupted
	}
	return first, err
}
