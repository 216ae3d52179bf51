package ftp

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy/access"
)

// siteCommands are the SITE commands, which most clients send out of habit. The table is never changed.
var siteCommands = withSiteHelp(map[string]command{
	"UTIME":   {run: (*session).siteUtime, arg: nameArg, access: access.SetsTime},
	"QUOTA":   {run: (*session).siteQuota},
	"IDLE":    {run: (*session).siteIdle},
	"NAMEFMT": {run: siteFormat("NAMEFMT")},
	"LISTFMT": {run: siteFormat("LISTFMT")},
	"CHMOD":   {run: (*session).siteNoEffect, arg: nameArg},
	"UMASK":   {run: (*session).siteNoEffect},
})

// withSiteHelp adds SITE HELP, which reads the table.
func withSiteHelp(all map[string]command) map[string]command {
	all["HELP"] = command{run: func(s *session, _ context.Context, _ string) error { return s.replySiteHelp(all) }}
	return all
}

func (s *session) cmdSite(ctx context.Context, arg string) error {
	verb, arg := split(trimLeftBlanks(arg))
	c, ok := siteCommands[verb]
	if !ok {
		return reply{504, "Unknown SITE command."}
	}
	return c.run(s, ctx, c.trim(arg))
}

func (s *session) replySiteHelp(all map[string]command) error {
	return s.ok(214, "SITE commands:\n"+columns(slices.Sorted(maps.Keys(all)))+"CHMOD and UMASK have no effect.")
}

// siteQuota replies with the limits of what the user may upload.
func (s *session) siteQuota(ctx context.Context, _ string) error {
	space, err := s.space(ctx)
	if err != nil {
		return err
	}
	lines := []string{"Limits of this account:"}
	if n := space.FileSize; n > 0 {
		lines = append(lines, fmt.Sprintf(" Largest file: %d bytes", n))
	}
	if n := space.DailyUpload; n > 0 {
		lines = append(lines, fmt.Sprintf(" Uploaded today (UTC): %d of %d bytes", space.UploadedToday, n))
	}
	if n := space.Size; n > 0 {
		lines = append(lines, fmt.Sprintf(" Stored: %d of %d bytes, %d left", space.StoredSize, n, max(n-space.StoredSize, 0)))
	}
	if n := space.Files; n > 0 {
		lines = append(lines, fmt.Sprintf(" Stored: %d of %d files, %d left", space.StoredFiles, n, max(n-space.StoredFiles, 0)))
	}
	if len(lines) == 1 {
		return s.ok(211, "No quota.")
	}
	return s.ok(211, strings.Join(append(lines, "End"), "\n"))
}

// siteNoEffect accepts a command that has no meaning on S3.
func (s *session) siteNoEffect(context.Context, string) error {
	return s.ok(200, "Accepted, has no effect.")
}

// siteFormat returns a handler for IBM i clients, which select or query the format of names or listings: only Unix format exists.
func siteFormat(verb string) func(*session, context.Context, string) error {
	return func(s *session, _ context.Context, arg string) error {
		if arg != "1" && arg != "" {
			return reply{504, "Only Unix format is supported, use " + verb + " 1."}
		}
		return s.ok(250, verb+" is 1.")
	}
}

// siteIdle returns or sets the session's idle timeout, up to the server's.
func (s *session) siteIdle(_ context.Context, arg string) error {
	most := cmp.Or(s.srv.IdleTimeout, 5*time.Minute)
	if arg != "" {
		n, err := strconv.ParseInt(arg, 10, 32)
		if err != nil || n < 1 || !isNumber(arg) {
			return reply{501, "SITE IDLE requires a number of seconds."}
		}
		s.idleTimeout = min(time.Duration(n)*time.Second, most)
	}
	return s.ok(200, fmt.Sprintf("Idle timeout is %d seconds, the limit is %d.", int(cmp.Or(s.idleTimeout, most).Seconds()), int(most.Seconds())))
}
