package main

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
)

// convert returns a user of SFTPGo as a users file has it. A restriction that cannot be taken over disables the user.
func (d *sftpgoDump) convert(from *sftpgoUser) imported {
	u := imported{name: from.Username}
	if from.Description != "" {
		u.comments = append(u.comments, from.Description)
	}
	d.applyGroups(from, &u)
	convertLogin(from, &u)
	d.convertPlaces(from, &u)
	convertRestrictions(from, &u)
	convertLimits(from, &u)
	return u
}

// applyGroups adds the place and the folders of the user's groups, and lists the groups whose other settings are not imported.
func (d *sftpgoDump) applyGroups(from *sftpgoUser, u *imported) {
	for _, membership := range from.Groups {
		i := slices.IndexFunc(d.Groups, func(g sftpgoGroup) bool { return g.Name == membership.Name })
		if membership.Type > 2 {
			continue
		}
		if i < 0 {
			u.disable("the group %q is not in the backup", membership.Name)
			continue
		}
		g := &d.Groups[i]
		from.Folders = append(from.Folders, g.Folders...)
		s := &g.Settings
		if membership.Type == 1 {
			if s.Filesystem.Provider != 0 {
				from.Filesystem = s.Filesystem
			}
			if len(from.Permissions) == 0 {
				from.Permissions = s.Permissions
			}
			from.MaxSessions = cmp.Or(from.MaxSessions, s.MaxSessions)
			from.QuotaSize, from.QuotaFiles = cmp.Or(from.QuotaSize, s.QuotaSize), cmp.Or(from.QuotaFiles, s.QuotaFiles)
		}
		addFilters(&from.Filters, &s.Filters)
		switch days := time.Duration(s.ExpiresIn) * 24 * time.Hour; {
		case days <= 0 || from.ExpirationDate > 0:
		case from.CreatedAt == 0:
			u.disable("the expiry of the group %q is not taken over: %d days after the user was made, which is not in the backup", g.Name, s.ExpiresIn)
		default:
			from.ExpirationDate = time.UnixMilli(from.CreatedAt).Add(days).UnixMilli()
		}
	}
}

// addFilters adds the restrictions of a group to those of a user.
func addFilters(to, group *sftpgoFilters) {
	to.AllowedIP = append(to.AllowedIP, group.AllowedIP...)
	to.DeniedIP = append(to.DeniedIP, group.DeniedIP...)
	to.DeniedLoginMethods = append(to.DeniedLoginMethods, group.DeniedLoginMethods...)
	to.DeniedProtocols = append(to.DeniedProtocols, group.DeniedProtocols...)
	to.FilePatterns = append(to.FilePatterns, group.FilePatterns...)
	to.AccessTime = append(to.AccessTime, group.AccessTime...)
	to.TwoFactor = append(to.TwoFactor, slices.Concat(group.TwoFactor, group.OldTwoFactor)...)
	to.FTPSecurity = max(to.FTPSecurity, group.FTPSecurity)
	if to.StartDirectory == "" {
		to.StartDirectory = group.StartDirectory
	}
	if to.MaxUploadFileSize == 0 {
		to.MaxUploadFileSize = group.MaxUploadFileSize
	}
	if to.TLSUsername == "" || to.TLSUsername == "None" {
		to.TLSUsername = group.TLSUsername
	}
}

// convertRestrictions converts addresses and the start directory.
func convertRestrictions(from *sftpgoUser, u *imported) {
	f := &from.Filters
	if len(f.AllowedIP) > 0 {
		u.key("allow-from", networkList(f.AllowedIP))
	}
	if len(f.DeniedIP) > 0 {
		u.disable("the denied networks %s are not taken over", networkList(f.DeniedIP))
	}
	if len(f.FilePatterns) > 0 {
		u.disable("patterns of file names are not taken over")
	}
	if len(f.AccessTime) > 0 {
		u.disable("times of access are not taken over")
	}
	if f.StartDirectory != "" && f.StartDirectory != "/" {
		u.key("home", config.QuoteYAML(f.StartDirectory))
	}
}

// networkList returns networks as a list in YAML, with the bits of hosts cleared as SFTPGo does.
func networkList(networks []string) string {
	var list []string
	for _, text := range networks {
		if p, err := netip.ParsePrefix(text); err == nil {
			text = p.Masked().String()
		}
		if text = strconv.Quote(text); !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return "[" + strings.Join(list, ", ") + "]"
}

// convertLimits converts the limits of sessions, rates, files and quotas, and lists those that are not yet supported.
func convertLimits(from *sftpgoUser, u *imported) {
	if from.MaxSessions > 0 {
		u.key("max-sessions", strconv.Itoa(from.MaxSessions))
	}
	convertRates(from, u)
	if n := from.Filters.MaxUploadFileSize; n > 0 {
		u.key("max-file-size", strconv.FormatInt(n, 10))
	}
	convertQuota(from, u)
	for _, limit := range []struct {
		name string
		n    int64
		unit string
	}{
		{"upload volume", from.UploadTransfer, " MB"}, {"download volume", from.DownloadTransfer, " MB"}, {"total volume", from.TotalTransfer, " MB"},
	} {
		if limit.n > 0 {
			u.note("the %s of %d%s is not taken over: not yet supported", limit.name, limit.n, limit.unit)
		}
	}
	if n := len(from.Filters.BandwidthLimits); n > 0 {
		u.note("%d bandwidths by network are not taken over", n)
	}
	if days := from.Filters.PasswordExpiration; days > 0 {
		u.note("the expiry of passwords after %d days is not taken over", days)
	}
}

// convertQuota converts the quota. SFTPGo does not count folders that have a quota of their own.
func convertQuota(from *sftpgoUser, u *imported) {
	var limits []string
	if n := from.QuotaSize; n > 0 {
		limits = append(limits, fmt.Sprintf("size: %d", n))
	}
	if n := from.QuotaFiles; n > 0 {
		limits = append(limits, fmt.Sprintf("files: %d", n))
	}
	if limits == nil {
		return
	}
	u.key("quota", "{"+strings.Join(limits, ", ")+"}")
	if slices.ContainsFunc(from.Folders, func(f sftpgoFolder) bool { return f.QuotaSize >= 0 }) {
		u.note("the quota covers all mounts that the user can write to, also those that did not count")
	}
}

// convertRates converts the bandwidths, which SFTPGo has for each transfer.
func convertRates(from *sftpgoUser, u *imported) {
	var rates []string
	if n := from.UploadBandwidth; n > 0 {
		rates = append(rates, fmt.Sprintf("up: %dKiB", n))
	}
	if n := from.DownloadBandwidth; n > 0 {
		rates = append(rates, fmt.Sprintf("down: %dKiB", n))
	}
	if rates != nil {
		u.key("max-rate", "{"+strings.Join(rates, ", ")+"}")
	}
}

// convertPlaces converts the file system and the virtual folders of a user.
func (d *sftpgoDump) convertPlaces(from *sftpgoUser, u *imported) {
	s3 := &from.Filesystem
	switch {
	case s3.Provider == sftpgoS3:
		convertS3(s3, u)
	case from.Filesystem.Provider == 0 && from.HomeDir != "":
		u.note("the files are in %s %s, not in S3: they must be copied", from.Filesystem.text(), printable(from.HomeDir))
	default:
		u.note("the files are in %s, not in S3: they must be copied", from.Filesystem.text())
	}
	mounts, paths := d.mounts(from, u)
	root := permissionList(from.Permissions["/"], u)
	switch {
	case from.Filters.IsAnonymous && from.Username == "anonymous": // read only by default
	case root == "[]":
		u.disable("has no permissions")
	case root != "rw":
		u.key("permissions", root)
	}
	for _, dir := range slices.Sorted(maps.Keys(from.Permissions)) {
		if text := permissionList(from.Permissions[dir], nil); dir != "/" && !slices.Contains(paths, dir) && text != root {
			u.disable("the permissions of %s are not taken over: %s", printable(dir), text)
		}
	}
	own := prefixOf(s3.S3.KeyPrefix, from.Username)
	switch {
	case len(mounts) == 0 && s3.Provider == sftpgoS3:
		u.key("bucket", config.QuoteYAML(s3.S3.Bucket))
		u.key("prefix", quotePrefix(own))
	case len(mounts) > 0:
		if s3.Provider == sftpgoS3 {
			mounts = append([]string{`/: {bucket: ` + config.QuoteYAML(s3.S3.Bucket) + `, prefix: ` + quotePrefix(own) + `}`}, mounts...)
		} else {
			mounts = append([]string{`/: {prefix: "{user}/"}`}, mounts...)
		}
		u.key("mounts", "{"+strings.Join(mounts, ", ")+"}")
	}
}

// mounts returns the mounts of the virtual folders, and the directories of all folders.
func (d *sftpgoDump) mounts(from *sftpgoUser, u *imported) (mounts, paths []string) {
	for _, folder := range from.Folders {
		fs := folder.Filesystem
		if i := slices.IndexFunc(d.Folders, func(f sftpgoFolder) bool { return f.Name == folder.Name }); i >= 0 && fs.Provider == 0 {
			fs = d.Folders[i].Filesystem
		}
		dir := path.Clean("/" + folder.VirtualPath)
		if slices.Contains(paths, dir) {
			continue // the user's folder overrides that of the group
		}
		paths = append(paths, dir)
		switch {
		case fs.Provider != sftpgoS3:
			u.note("the folder %s is in %s, not in S3: it is not taken over", printable(dir), fs.text())
			continue
		case from.Filesystem.Provider == sftpgoS3 && !sameService(&fs, &from.Filesystem), from.Filesystem.Provider != sftpgoS3 && hasService(&fs):
			u.note("the folder %s is in another S3 service or has other keys: it is not taken over", printable(dir))
			continue
		}
		prefix := prefixOf(fs.S3.KeyPrefix, from.Username) + strings.TrimPrefix(prefixOf(folder.Subpath, from.Username), "/")
		mount := config.QuoteYAML(dir) + ": {bucket: " + config.QuoteYAML(fs.S3.Bucket) + ", prefix: " + quotePrefix(prefix)
		if own, ok := from.Permissions[dir]; ok {
			mount += ", permissions: " + permissionList(own, u)
		}
		mounts = append(mounts, mount+"}")
	}
	return mounts, paths
}

// prefixOf replaces the placeholders of SFTPGo in a prefix.
func prefixOf(prefix, user string) string {
	prefix = strings.ReplaceAll(prefix, "%username%", user)
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	return prefix
}

// quotePrefix returns a prefix in quotes, also an empty one.
func quotePrefix(prefix string) string {
	if prefix == "" {
		return `""`
	}
	return config.QuoteYAML(prefix)
}

// hasService reports whether a file system has a service or keys of its own.
func hasService(f *sftpgoFilesystem) bool {
	return f.S3.Endpoint != "" || f.S3.AccessKey != "" || f.S3.RoleARN != ""
}

func sameService(a, b *sftpgoFilesystem) bool {
	return a.S3.Endpoint == b.S3.Endpoint && a.S3.Region == b.S3.Region && a.S3.AccessKey == b.S3.AccessKey && a.S3.RoleARN == b.S3.RoleARN
}

// convertS3 converts the service, the keys and the attributes of objects.
func convertS3(fs *sftpgoFilesystem, u *imported) {
	s := &fs.S3
	var keys []string
	add := func(name, value string) {
		if value != "" {
			keys = append(keys, name+": "+config.QuoteYAML(value))
		}
	}
	add("endpoint", s.Endpoint)
	add("region", s.Region)
	add("role-arn", s.RoleARN)
	switch {
	case s.AccessKey == "":
	case s.AccessSecret.Status == "Plain":
		add("access-key", s.AccessKey)
		add("secret-key", s.AccessSecret.Payload)
	default:
		u.disable("the secret key of %s is encrypted in the backup: write it into a file, and set s3: {access-key: ..., secret-key-file: ...}",
			printable(s.AccessKey))
	}
	if len(keys) > 0 {
		u.key("s3", "{"+strings.Join(keys, ", ")+"}")
	}
	keys = nil
	add("storage-class", s.StorageClass)
	add("acl", s.ACL)
	if len(keys) > 0 {
		u.key("attributes", "{"+strings.Join(keys, ", ")+"}")
	}
	if s.SSEKey.Payload != "" {
		u.disable("encryption with a key of the customer (SSE-C) is not supported")
	}
	if s.SessionToken != "" {
		u.note("the session token is not taken over")
	}
	if s.SkipTLSVerify {
		u.note("skip_tls_verify is not taken over: the certificate of the service is always verified")
	}
}

// permissionNames are the permissions of SFTPGo, in the order of those here. One that is split there is taken over as a whole.
var permissionNames = []struct {
	name string
	all  [][]string // each is enough
}{
	{"list", [][]string{{"list"}}}, {"read", [][]string{{"download"}}}, {"write", [][]string{{"upload"}}}, {"overwrite", [][]string{{"overwrite"}}},
	{"delete", [][]string{{"delete"}, {"delete_files", "delete_dirs"}}}, {"rename", [][]string{{"rename"}, {"rename_files", "rename_dirs"}}},
	{"mkdir", [][]string{{"create_dirs"}}},
}

// permissionList returns permissions in YAML. It notes those that are taken over in part only; u may be nil.
func permissionList(permissions []string, u *imported) string {
	if slices.Contains(permissions, "*") {
		return "rw"
	}
	var names []string
	for _, p := range permissionNames {
		if slices.ContainsFunc(p.all, func(needed []string) bool {
			return !slices.ContainsFunc(needed, func(n string) bool { return !slices.Contains(permissions, n) })
		}) {
			names = append(names, p.name)
		} else if part := slices.IndexFunc(permissions, func(n string) bool { return strings.HasPrefix(n, p.name+"_") }); part >= 0 && u != nil {
			u.note("the permission %s is not taken over: %s is for files and directories", permissions[part], p.name)
		}
	}
	for _, word := range []string{"rw", "ro", "wo", "dropbox"} {
		if slices.Equal(names, config.PermissionSet(word)) {
			return word
		}
	}
	return fmt.Sprintf("[%s]", strings.Join(names, ", "))
}
