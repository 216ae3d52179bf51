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

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy/auth"
)

// passwd reads a password from standard input, and prints its hash or writes it into a users file.
func passwd(ctx context.Context, p *process) error {
	file, name, err := passwdOptions(p.args)
	if err != nil {
		return err
	}
	if file == "" {
		hash, err := readHash(ctx, p)
		if err == nil {
			_, err = fmt.Fprintln(p.stdout, hash)
		}
		return err
	}
	if _, err := openUsersFile(file); err != nil { // before the question
		return err
	}
	hash, err := readHash(ctx, p)
	if err != nil {
		return err
	}
	f, err := openUsersFile(file) // again: it may have changed meanwhile
	if err != nil {
		return err
	}
	done, err := f.setPassword(name, hash)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.stdout, done)
	return err
}

// passwdOptions reads --users FILE and --name NAME: both or neither.
func passwdOptions(args []string) (file, name string, err error) {
	values := map[string]string{}
	for len(args) > 0 {
		arg := args[0]
		option, value, hasValue := strings.Cut(arg, "=")
		args = args[1:]
		switch _, twice := values[option]; {
		case arg == "--help" || arg == "-h":
			return "", "", config.ErrHelp
		case option != "--users" && option != "--name":
			return "", "", usage{errors.New("an unexpected argument: must be s3ftpd passwd, or s3ftpd passwd --users FILE --name NAME")} // it may be a password
		case twice:
			return "", "", usage{fmt.Errorf("%s: must be set only once", option)}
		case !hasValue && len(args) == 0:
			return "", "", usage{fmt.Errorf("%s: must have a value", option)}
		case !hasValue:
			value, args = args[0], args[1:]
		}
		if values[option] = value; value == "" {
			return "", "", usage{fmt.Errorf("%s: must not be empty", option)}
		}
	}
	if len(values) == 1 {
		return "", "", usage{errors.New("--users and --name: must be used together: s3ftpd passwd --users FILE --name NAME")}
	}
	return values["--users"], values["--name"], nil
}

// readHash reads a password, and returns its hash.
func readHash(ctx context.Context, p *process) (string, error) {
	prompt := func() (string, error) { return firstLine(p.stdin) }
	if f, ok := p.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		prompt = func() (string, error) { return askTwice(ctx, f, p.stderr) }
	}
	password, err := prompt()
	if err != nil {
		return "", err
	}
	return auth.Hash(password)
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
