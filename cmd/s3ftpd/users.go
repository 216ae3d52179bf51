package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
)

// usersForms says how the commands for users files are called.
const usersForms = "must be s3ftpd users list FILE, s3ftpd users check FILE, or s3ftpd users import htpasswd|sftpgo FILE"

// usersCommand runs a command for users files.
func usersCommand(ctx context.Context, p *process) error {
	if slices.Contains(p.args, "--help") || slices.Contains(p.args, "-h") {
		return config.ErrHelp
	}
	if len(p.args) == 0 {
		return usage{errors.New("users: the command is missing: " + usersForms)}
	}
	name, args := p.args[0], p.args[1:]
	switch name {
	case "list":
		if len(args) != 1 {
			return usage{errors.New("users list: must be followed by one file: s3ftpd users list FILE")}
		}
		return listUsers(p.stdout, args[0], time.Now())
	case "check":
		if len(args) == 0 || strings.HasPrefix(args[0], "-") {
			return usage{errors.New("users check: must be followed by a file, and then by options of serve: s3ftpd users check FILE")}
		}
		p.args = args[1:]
		return checkUsersFile(ctx, p, args[0])
	case "import":
		return importUsers(p, args)
	}
	return usage{fmt.Errorf("users %q: no such command: %s", name, usersForms)}
}

// listUsers prints a table of the users of a file, a line for each mount and for each public key.
func listUsers(w io.Writer, file string, now time.Time) error {
	all, err := config.LoadUsers(file, nil)
	if err != nil {
		return err
	}
	var table bytes.Buffer
	t := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tPLACE\tPERMISSIONS\tHOME\tLOGIN\tLIMITS\tSTATE")
	for _, u := range all.All() {
		row := []string{u.Name, place(u, 0), permissionText(u.Mounts[0].Permissions), u.Home, loginText(u), limitText(u), stateText(u, now)}
		fmt.Fprintln(t, strings.Join(row, "\t"))
		for i := 1; i < max(len(u.Mounts), len(u.PublicKeys)); i++ {
			row := make([]string, 7)
			if i < len(u.Mounts) {
				row[1], row[2] = place(u, i), permissionText(u.Mounts[i].Permissions)
			}
			if i < len(u.PublicKeys) {
				row[4] = "or key " + u.PublicKeys[i].Fingerprint()
			}
			fmt.Fprintln(t, strings.Join(row, "\t"))
		}
	}
	t.Flush() // into memory
	for line := range strings.Lines(table.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// place returns the bucket and the prefix of a mount, after its directory unless it is the root alone.
func place(u *config.User, mount int) string {
	m := u.Mounts[mount]
	bucket := m.Bucket
	if bucket == "" {
		bucket = "(--bucket)"
	}
	text := bucket + "/" + m.Prefix
	if m.Path != "/" || len(u.Mounts) > 1 {
		text = m.Path + " = " + text
	}
	return text
}

// permissionText returns the word for a set of permissions, else their names.
func permissionText(permissions []string) string {
	for _, word := range []string{"rw", "ro", "wo", "dropbox"} {
		if slices.Equal(permissions, config.PermissionSet(word)) {
			return word
		}
	}
	return orDash(strings.Join(permissions, ","))
}

// loginText says how a user logs in, with the first of the public keys.
func loginText(u *config.User) string {
	var ways []string
	switch {
	case u.AnyPassword:
		ways = append(ways, "any password")
	case u.PasswordFile != "":
		ways = append(ways, "password file")
	case u.Password != "":
		ways = append(ways, "password")
	}
	if u.Certificate != "" {
		ways = append(ways, "certificate")
	}
	switch {
	case u.PublicKeysFile != "":
		ways = append(ways, "keys file")
	case len(u.PublicKeys) > 0:
		ways = append(ways, "key "+u.PublicKeys[0].Fingerprint())
	}
	if len(u.SecondFactor) > 0 {
		return strings.Join(ways, " and ")
	}
	return orDash(strings.Join(ways, " or "))
}

// limitText lists the limits of a user.
func limitText(u *config.User) string {
	var limits []string
	if len(u.Protocols) > 0 {
		limits = append(limits, strings.Join(u.Protocols, ",")+" only")
	}
	if n := len(u.AllowFrom); n > 2 {
		limits = append(limits, fmt.Sprintf("from %d networks", n))
	} else if n > 0 {
		limits = append(limits, "from "+strings.Trim(fmt.Sprint(u.AllowFrom), "[]"))
	}
	if u.MaxSessions > 0 {
		limits = append(limits, fmt.Sprintf("%d sessions", u.MaxSessions))
	}
	if u.MaxTransfers > 0 {
		limits = append(limits, fmt.Sprintf("%d transfers", u.MaxTransfers))
	}
	if r := u.MaxRate.Up; r > 0 {
		limits = append(limits, config.SizeText(r)+"/s up")
	}
	if r := u.MaxRate.Down; r > 0 {
		limits = append(limits, config.SizeText(r)+"/s down")
	}
	if n := u.MaxFileSize; n > 0 {
		limits = append(limits, "files up to "+config.SizeText(n))
	}
	if n := u.DailyUpload; n > 0 {
		limits = append(limits, config.SizeText(n)+" a day")
	}
	if n := u.Quota.Size; n > 0 {
		limits = append(limits, "quota of "+config.SizeText(n))
	}
	if n := u.Quota.Files; n > 0 {
		limits = append(limits, fmt.Sprintf("quota of %d files", n))
	}
	return orDash(strings.Join(limits, ", "))
}

// stateText says whether a user can log in.
func stateText(u *config.User, now time.Time) string {
	end := u.Expires.Format("2006-01-02 15:04 MST")
	if day := u.Expires.AddDate(0, 0, -1); u.Expires.Equal(u.Expires.Truncate(24 * time.Hour)) {
		end = day.Format("2006-01-02 MST") // the last day
	}
	switch {
	case u.Disabled:
		return "disabled"
	case u.Expires.IsZero():
		return "active"
	case !now.Before(u.Expires):
		return "expired after " + end
	}
	return "active until " + end
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
