package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// check tests everything that serve would use with the same options, and prints one result for each test.
func check(ctx context.Context, p *process) error {
	c, err := p.load(config.Check)
	switch {
	case errors.Is(err, config.ErrHelp):
		return err
	case err != nil:
		r := &report{w: p.stdout, json: c.JSON}
		for line := range strings.Lines(err.Error()) {
			r.fail("config", "", "%s", line)
		}
		return r.verdict()
	}
	r := &report{w: p.stdout, json: c.JSON}
	r.ok("config", "the configuration is complete and consistent")
	checkPassword(r, c)
	checkPorts(ctx, r, c)
	checkOpenFiles(r, c)
	checkTLS(r, c)
	checkProxies(r, c)
	for _, told := range checkPassiveAddress(ctx, r, c) {
		checkReach(ctx, r, c, told, (&net.Dialer{Timeout: reachTimeout}).DialContext)
	}
	checkStorage(ctx, r, c)
	if err := ctx.Err(); err != nil {
		return err
	}
	return r.verdict()
}

// checkPassword warns of characters in the password that may be there by mistake.
func checkPassword(r *report, c *config.Config) {
	password := secret(c, func(problem string) { r.warn("password", "", "%s %s", passwordSource(c), problem) })
	if password != nil {
		password() // load has reported its error
	}
}

// checkStorage tests the bucket. Each check may take as long as --s3-timeout.
func checkStorage(ctx context.Context, r *report, c *config.Config) {
	log := slog.New(slog.DiscardHandler) // the results are printed instead
	settings := service(c, log)
	settings.MaxBackoff = checkBackoff
	client, err := connect(ctx, c, settings)
	if err != nil {
		x := explain(c, err)
		r.fail("endpoint", x.advice, "%s", x.why(err))
		return
	}
	defer client.Close()
	checkService(ctx, r, c, client)
	checkKnown(r, client, c.Bucket)
	if len(c.Auth) > 0 {
		checkKeys(ctx, r, c, client)
	}
	if c.User == "" {
		if c.FixLifecycle {
			r.fail("fix-lifecycle", "set --user, whose keys are those of the server", "no lifecycle rule was added: all users have keys of their own")
		}
		return // all users have keys of their own; those of the server are not used
	}
	store := s3fs.NewFS(client, storeOptions(c, client, budget.New(c.Memory), log))
	if c.FixLifecycle {
		r.add(fixLifecycle(ctx, c, store))
	}
	checkFindings(ctx, r, c, store.Probe(ctx, c.S3Timeout))
}

// checkBackoff is the longest delay before a retry. Someone waits for the result, so it is shorter than that of transfers.
const checkBackoff = 200 * time.Millisecond

// checkService warns of settings of the S3 service that may be wrong.
func checkService(ctx context.Context, r *report, c *config.Config, client *s3fs.Client) {
	if url := pathURL(ctx, c, client); url != "" {
		r.warn("endpoint", "", "the endpoint has a path, which few services need: files are stored at %s", url)
	}
	if region := client.AssumedRegion(); region != "" {
		r.warn("region", noRegionAdvice, "no region and no endpoint configured, using the default region %s", region)
	}
}

// checkKeys tests whether S3 verifies the keys of --auth s3.
func checkKeys(ctx context.Context, r *report, c *config.Config, client *s3fs.Client) {
	if err := refusesKeys(ctx, client, c); err != nil {
		x := explain(c, err)
		r.fail("auth", x.advice, "S3 cannot verify the keys of users: %v", err)
		return
	}
	r.ok("auth", "S3 verifies the keys of users: it refuses made-up ones")
}

// checkKnown prints the known features and limits of the service, if its product is recognized.
func checkKnown(r *report, client *s3fs.Client, bucket string) {
	known, ok := client.Known(bucket)
	if !ok {
		return
	}
	text := strings.ReplaceAll(known.Known, "`", "")
	if options := known.Options(); len(options) > 0 {
		text = "it takes " + strings.Join(options, ", ") + ", which is set by itself. " + text
	}
	r.ok("service", "the service is known as %s: %s (%s, %s)", known.Name, text, known.Source, known.Date)
}
