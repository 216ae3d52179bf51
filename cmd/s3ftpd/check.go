package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// check proves that what serve would do with the same options works, one line a check.
func check(ctx context.Context, p *process) error {
	r := &report{w: p.stdout}
	c, err := p.load(config.Serve)
	switch {
	case errors.Is(err, config.ErrHelp):
		return err
	case err != nil:
		for line := range strings.Lines(err.Error()) {
			r.fail("%s", line)
		}
		return r.verdict()
	}
	r.ok("the configuration is complete, and without contradictions")
	checkPassword(r, c)
	checkPorts(ctx, r, c)
	checkTLS(r, c)
	checkProxies(r, c)
	checkPassiveAddress(ctx, r, c)
	if err := checkStorage(ctx, r, c); err != nil {
		r.fail("%v", err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return r.verdict()
}

// checkPassword says what may not be meant so in the password.
func checkPassword(r *report, c *config.Config) {
	password := secret(c, func(problem string) { r.note("%s %s", passwordSource(c), problem) })
	if password != nil {
		password() // its errors are those of the configuration
	}
}

// checkStorage tries out the bucket. Each question may take as long as S3 may be silent.
func checkStorage(ctx context.Context, r *report, c *config.Config) error {
	log := slog.New(slog.DiscardHandler) // the findings say it all
	client, err := connect(ctx, c, service(c, log))
	if err != nil {
		return err
	}
	defer client.Close()
	if url := pathURL(ctx, c, client); url != "" {
		r.note("the endpoint has a path, which few services need: files are stored at %s", url)
	}
	checkKnown(r, client, c.Bucket)
	checkFindings(ctx, r, s3fs.New(client, storeOptions(c, client, budget.New(c.Memory), log)).Probe(ctx, c.S3Timeout))
	return nil
}

// checkKnown says what is known of the service, if it is recognized.
func checkKnown(r *report, client *s3fs.Client, bucket string) {
	known, ok := client.Known(bucket)
	if !ok {
		return
	}
	text := strings.ReplaceAll(known.Known, "`", "")
	if options := known.Options(); len(options) > 0 {
		text = "it takes " + strings.Join(options, ", ") + ", which is set by itself. " + text
	}
	r.ok("the service is known as %s: %s (%s, %s)", known.Name, text, known.Source, known.Date)
}

// A report prints the checks, and keeps the count.
type report struct {
	w           io.Writer
	all, failed int
	err         error // of the writer
}

func (r *report) ok(format string, args ...any)   { r.line("ok   ", format, args...) }
func (r *report) note(format string, args ...any) { r.line("note ", format, args...) }

func (r *report) fail(format string, args ...any) {
	r.failed++
	r.line("FAIL ", format, args...)
}

// line prints one line, whatever the values have in them.
func (r *report) line(word, format string, args ...any) {
	r.all++
	text := strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, strings.TrimSpace(fmt.Sprintf(format, args...)))
	if _, err := fmt.Fprintf(r.w, "%s %s\n", word, text); r.err == nil {
		r.err = err
	}
}

// verdict is the error of the command.
func (r *report) verdict() error {
	if r.err == nil && r.failed > 0 {
		return fmt.Errorf("%d of %d checks failed", r.failed, r.all)
	}
	return r.err
}
