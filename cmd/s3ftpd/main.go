// Command s3ftpd is an FTP, FTPS and SFTP server that stores its files in an S3 bucket.
//
// `s3ftpd demo` needs no configuration and no S3 service; `s3ftpd help` lists all commands and options.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/s3ftpd/s3ftpd/config"
)

func main() {
	ctx, end := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals) // before the shutdown begins: a second signal kills the process
		end()
	}()
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

// Exit codes of errors.
const (
	exitFailure = 1
	exitUsage   = 2
)

// A usage error is a mistake in the command line or in the configuration.
type usage struct{ error }

// run runs the program until it ends or ctx is cancelled, and returns the exit code.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	name, args := command(args)
	err := fmt.Errorf("no such command: %q", name)
	if c, ok := commands()[name]; ok {
		err = c(ctx, &process{args: args, environ: environ, stdin: stdin, stdout: stdout, stderr: stderr})
	} else {
		err = usage{err}
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, config.ErrHelp):
		fmt.Fprint(stdout, help(name))
		return 0
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(stderr, "s3ftpd: %s\n", strings.TrimSuffix(line, "\n"))
	}
	if !errors.As(err, new(usage)) {
		return exitFailure
	}
	fmt.Fprintln(stderr, "s3ftpd: `s3ftpd help` lists all commands and options; `s3ftpd demo` needs none")
	return exitUsage
}

// A process has the arguments, the environment and the standard streams of the program.
type process struct {
	args, environ  []string
	stdin          io.Reader
	stdout, stderr io.Writer
}

// commands returns the commands by name.
func commands() map[string]func(context.Context, *process) error {
	return map[string]func(context.Context, *process) error{
		config.Serve: serve,
		config.Demo:  demo,
		config.Check: check,
		"passwd":     passwd,
		"users":      usersCommand,
		"version":    version,
		"help":       helpCommand,
	}
}

// command splits the arguments into the name of the command, by default serve, and the rest.
func command(args []string) (string, []string) {
	switch {
	case len(args) > 0 && args[0] == "--version":
		return "version", args[1:]
	case len(args) > 0 && (args[0] == "--help" || args[0] == "-h"):
		return "help", args[1:]
	case len(args) > 0 && !strings.HasPrefix(args[0], "-"):
		return args[0], args[1:]
	}
	return config.Serve, args
}

// only returns an error if a command that takes no arguments has one, and config.ErrHelp for --help and -h.
func (p *process) only() error {
	switch {
	case len(p.args) == 0:
		return nil
	case p.args[0] == "--help" || p.args[0] == "-h":
		return config.ErrHelp
	}
	return usage{fmt.Errorf("%q: the command takes no arguments", p.args[0])}
}

// load reads and checks the configuration of a command.
func (p *process) load(command string) (*config.Config, error) {
	c, err := config.Load(command, p.args, p.environ)
	if err == nil {
		err = validatePassword(c)
	}
	if err != nil && !errors.Is(err, config.ErrHelp) {
		err = usage{err}
	}
	return c, err
}
