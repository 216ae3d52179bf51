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
	checkHook(ctx, r, c)
	checkEvents(ctx, r, c)
	checkPorts(ctx, r, c)
	checkOpenFiles(r, c)
	checkTLS(r, c)
	checkSFTP(r, c)
	checkProxies(r, c)
	if c.FTP != "" || c.FTPS != "" {
		for _, told := range checkPassiveAddress(ctx, r, c) {
			checkReach(ctx, r, c, told, (&net.Dialer{Timeout: reachTimeout}).DialContext)
		}
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
	client, err := connectToCheck(ctx, c)
	if err != nil {
		x := explain(c, err)
		r.fail("endpoint", x.advice, "%s", x.why(err))
		return
	}
	defer client.Close()
	checkService(ctx, r, c, client)
	checkKnown(r, client, c.Bucket)
	for _, source := range c.Auth {
		checkSource(ctx, r, c, client, source)
	}
	if c.Users != "" {
		checkUsers(ctx, r, c, client)
	}
	common := *c
	common.Prefix = commonPrefix(c.Prefix)
	c = &common
	store := s3fs.NewFS(client, storeOptions(c, client, budget.New(c.Memory), slog.New(slog.DiscardHandler)))
	if c.FixLifecycle {
		r.add(fixLifecycle(ctx, c, store))
	}
	if c.User == "" && (c.AuthURL == "" || c.Bucket == "") {
		return // the places of users have been checked, or users have keys of their own
	}
	checkFindings(ctx, r, c, store.Probe(ctx, c.S3Timeout))
}

// commonPrefix returns the part of a prefix that all users have in common: the directories before {user}.
func commonPrefix(prefix string) string {
	before, _, found := strings.Cut(prefix, "{user}")
	if !found {
		return prefix
	}
	return before[:strings.LastIndexByte(before, '/')+1]
}

// connectToCheck returns an S3 client for checks. It logs nothing.
func connectToCheck(ctx context.Context, c *config.Config) (*s3fs.Client, error) {
	settings := service(c, slog.New(slog.DiscardHandler)) // the results are printed instead
	settings.MaxBackoff = checkBackoff
	return connect(ctx, c, settings)
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

// checkSource tests whether S3 verifies the logins of a source of --auth.
func checkSource(ctx context.Context, r *report, c *config.Config, client *s3fs.Client, source string) {
	what, madeUp := "the keys of users", "made-up ones"
	if source == config.LDAP {
		what, madeUp = "users of LDAP", "a made-up one"
	}
	if err := refusesMadeUp(ctx, client, source, c); err != nil {
		x := explain(c, err)
		r.fail("auth", x.advice, "S3 cannot verify %s: %v", what, err)
		return
	}
	r.ok("auth", "S3 verifies %s: it refuses %s", what, madeUp)
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
