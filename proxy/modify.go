package proxy

import (
	"context"
	"strings"
	"time"
)

// cmdMfmt sets the modification time of a file (draft-somers-ftp-mfxx, section 3).
func (s *session) cmdMfmt(ctx context.Context, arg string) (reply, error) {
	stamp, path, _ := strings.Cut(arg, " ")
	mtime, ok := parseTime(stamp)
	if !ok || path == "" {
		return reply{501, "MFMT takes YYYYMMDDHHMMSS and a file."}, nil
	}
	name, err := s.setTime(ctx, path, mtime)
	if err != nil {
		return reply{}, err
	}
	return reply{213, "Modify=" + mtime.Format(factTime) + "; " + name}, nil
}

// siteUtime sets the modification time of a file. Clients say it in two ways: "UTIME YYYYMMDDHHMM[SS] file", and
// "UTIME file YYYYMMDDHHMMSS YYYYMMDDHHMMSS YYYYMMDDHHMMSS UTC", with the times of access, modification and creation.
func (s *session) siteUtime(ctx context.Context, arg string) (reply, error) {
	path, mtime, ok := parseUtime(arg)
	if !ok {
		return reply{501, "SITE UTIME takes YYYYMMDDHHMMSS and a file."}, nil
	}
	if _, err := s.setTime(ctx, path, mtime); err != nil {
		return reply{}, err
	}
	return reply{200, "The time is set."}, nil
}

func parseUtime(arg string) (path string, mtime time.Time, ok bool) {
	stamp, path, _ := strings.Cut(arg, " ")
	if len(stamp) == len("200601021504") && isNumber(stamp) {
		stamp += "00"
	}
	if mtime, ok = parseTime(stamp); ok {
		return path, mtime, path != ""
	}
	f := strings.Split(arg, " ")
	if len(f) < 5 || strings.ToUpper(f[len(f)-1]) != "UTC" {
		return "", time.Time{}, false
	}
	path = strings.Join(f[:len(f)-4], " ")
	mtime, ok = parseTime(f[len(f)-3])
	return path, mtime, ok && path != ""
}

func (s *session) setTime(ctx context.Context, path string, mtime time.Time) (name string, err error) {
	if name, err = resolve(s.dir, path); err != nil {
		return "", err
	}
	if err = s.store.SetTime(ctx, name, mtime); err == nil {
		s.log.Info("set time", "user", s.user, "name", name)
	}
	return name, err
}

// parseTime reads a time of RFC 3659, section 2.3: YYYYMMDDHHMMSS, which a fraction may follow.
func parseTime(stamp string) (time.Time, bool) {
	whole, fraction, dotted := strings.Cut(stamp, ".")
	if len(whole) != len(factTime) || !isNumber(whole) || dotted && !isNumber(fraction) {
		return time.Time{}, false
	}
	t, err := time.Parse(factTime, stamp)
	return t, err == nil
}
