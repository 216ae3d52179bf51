package ftp

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/names"
)

// cmdMfmt sets the modification time of a file (draft-somers-ftp-mfxx, section 3).
func (s *session) cmdMfmt(ctx context.Context, arg string) error {
	mtime, path, ok := cutTime(arg)
	if !ok {
		return reply{501, "Use MFMT YYYYMMDDHHMMSS file."}
	}
	name, err := s.setTime(ctx, path, mtime)
	if err != nil {
		return err
	}
	return s.ok(213, "Modify="+mtime.Format(factTime)+"; "+name)
}

// siteUtime sets the modification time of a file. Clients send "UTIME YYYYMMDDHHMM[SS] file" or "UTIME file YYYYMMDDHHMMSS
// YYYYMMDDHHMMSS YYYYMMDDHHMMSS UTC", with the times of access, modification and creation.
func (s *session) siteUtime(ctx context.Context, arg string) error {
	path, mtime, ok := parseUtime(arg)
	if !ok {
		return reply{501, "Use SITE UTIME YYYYMMDDHHMMSS file."}
	}
	if _, err := s.setTime(ctx, path, mtime); err != nil {
		return err
	}
	return s.ok(200, "File modification time set.")
}

// timesAfter matches a name and three times.
var timesAfter = regexp.MustCompile(`^(.+) [0-9.]+ +([0-9.]+) +[0-9.]+ +(?i:UTC) *$`)

func parseUtime(arg string) (path string, mtime time.Time, ok bool) {
	stamp, path, _ := strings.Cut(trimLeftBlanks(arg), " ")
	if len(stamp) == len("200601021504") && isNumber(stamp) {
		stamp += "00"
	}
	if mtime, ok = parseTime(stamp); ok {
		return path, mtime, path != ""
	}
	m := timesAfter.FindStringSubmatch(arg)
	if m == nil {
		return "", time.Time{}, false
	}
	mtime, ok = parseTime(m[2])
	return m[1], mtime, ok
}

// cutTime splits a time from the name after it. Blanks before the time are ignored, and one blank separates them.
func cutTime(arg string) (mtime time.Time, path string, ok bool) {
	stamp, path, _ := strings.Cut(trimLeftBlanks(arg), " ")
	mtime, ok = parseTime(stamp)
	return mtime, path, ok && path != ""
}

func (s *session) setTime(ctx context.Context, path string, mtime time.Time) (name string, err error) {
	if name, err = names.Resolve(s.dir, path); err != nil {
		return "", err
	}
	done, err := s.store.SetTime(ctx, name, mtime)
	if err == nil {
		s.observe(ctx, event.SetTime{Name: name, Time: mtime, Stored: done})
	}
	return name, err
}

// parseTime parses YYYYMMDDHHMMSS, perhaps with a fraction (RFC 3659, section 2.3). It refuses times before the year 2: one of them
// is the zero time.Time, which means no time.
func parseTime(stamp string) (time.Time, bool) {
	whole, fraction, dotted := strings.Cut(stamp, ".")
	if len(whole) != len(factTime) || !isNumber(whole) || dotted && !isNumber(fraction) {
		return time.Time{}, false
	}
	t, err := time.Parse(factTime, stamp)
	return t, err == nil && t.Year() >= 2
}
