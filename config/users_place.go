package config

import (
	"errors"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// userVariable is replaced by the name of the user in prefixes.
const userVariable = "{user}"

// foreignVariable matches a variable of a shell or of another FTP server, such as $USER, %u and %username%. Taken literally, it would
// give all users one place.
var foreignVariable = regexp.MustCompile(`\$[A-Za-z_(]|%[A-Za-z]+%|%[A-Za-z](/|$)`)

// parseUserPrefix reads a prefix that may contain {user}.
func parseUserPrefix(text string) (string, error) {
	if bucket, prefix, isPlace := splitPlace(text); isPlace {
		return "", asKeys.of(bucket, prefix)
	}
	plain := strings.ReplaceAll(text, userVariable, "user")
	if strings.ContainsAny(plain, "{}") {
		return "", errors.New("must not contain { or } apart from {user}, the only variable")
	}
	if foreignVariable.MatchString(plain) {
		return "", errors.New("must not contain $NAME or %NAME%, which are no variables here: {user} is the only one")
	}
	if _, err := parsePrefix(plain); err != nil || text == "" {
		return "", err
	}
	return strings.TrimSuffix(text, "/") + "/", nil
}

var asKeys = placeNotation{"two keys: bucket: %s and prefix: %s", "bucket: %s", "endpoint, under s3"}

func parseUserBucket(text string) (string, error) { return asKeys.parseBucket(text) }

// maxDirectory is the maximal length of a directory's path in bytes, that of a key.
const maxDirectory = 1024

// parseDirectory reads the path of a directory as clients see it.
func parseDirectory(text string) (string, error) {
	clean := path.Clean(text)
	switch {
	case !strings.HasPrefix(text, "/") || !isPrintable(text) || len(text) > maxDirectory || clean != text && clean+"/" != text:
		return "", errors.New(`must be an absolute path such as /in, without "//", "." or ".." in it`)
	case strings.Contains(text, userVariable):
		return "", errors.New("must not contain {user}, which is a variable in prefixes only")
	}
	return clean, nil
}

// A mountDraft is a mount while it is read.
type mountDraft struct {
	path, bucket, prefix string
	permissions          []string // nil = those of the user
	at                   spot
	invalid              bool
}

// mountKeys are the keys of a mount.
var mountKeys = []key[mountDraft]{
	{name: "bucket", set: plain(func(m *mountDraft) *string { return &m.bucket }, parseUserBucket)},
	{name: "prefix", set: plain(func(m *mountDraft) *string { return &m.prefix }, parseUserPrefix)},
	{name: "permissions", set: func(s scope, m *mountDraft, n ast.Node) (err error) {
		m.permissions, err = s.permissions(n, "permissions")
		return err
	}},
}

func setMounts(s scope, d *draft, n ast.Node) error {
	s = s.within("mounts", "")
	entries, ok := entriesOf(n)
	if !ok || len(entries) == 0 {
		s.mistake(n, "%s", wrongType(n, "must be directories with their places, e.g. /in: {prefix: alice/in/}"))
		return errReported
	}
	d.mounts = nil
	lines := map[string]int{}
	for _, e := range entries {
		m, ok := s.mount(e)
		if first, exists := lines[m.path]; exists && ok {
			s.mistakeAt(m.at, m.path, "must be mounted only once; it is also in line %d", first)
			continue
		}
		lines[m.path] = m.at.line
		d.mounts = append(d.mounts, m)
	}
	return nil
}

// mount reads a mount, or reports that it is invalid.
func (s scope) mount(e *ast.MappingValueNode) (m mountDraft, ok bool) {
	m.at.line, m.at.column = placeOf(e.Key, s.before)
	text, err := s.plainText(e.Key)
	if err == nil {
		m.path, err = parseDirectory(text)
	}
	if err != nil {
		s.mistakeAt(m.at, quoted(text), "%v", err)
		m.invalid = true
		return m, false
	}
	s = s.within(m.path, "{bucket: invoices, prefix: alice/in/}")
	seen := readMapping(s, &m, e.Value, mountKeys)
	if _, hasBucket := seen["bucket"]; !hasBucket && seen != nil {
		if _, hasPrefix := seen["prefix"]; !hasPrefix {
			s.mistakeAt(m.at, "", "must have a bucket or a prefix")
		}
	}
	m.invalid = seen == nil || seen["bucket"].invalid || seen["prefix"].invalid || seen["permissions"].invalid
	return m, true
}

// valid reports whether the values of these keys of a user are valid, in the defaults too.
func (s scope) valid(d *draft, keys ...string) bool {
	return !slices.ContainsFunc(keys, func(key string) bool { return d.keys[key].invalid || s.defaults.keys[key].invalid })
}

// spotOf returns the place of a key of a user, else that of its name, else that of the user.
func (s scope) spotOf(d *draft, key string) spot {
	for _, k := range []string{key, "name"} {
		if at, ok := d.keys[k]; ok {
			return at
		}
	}
	return d.at
}

// finish completes a user with the defaults and the options, and reports what is missing or contradicts.
func (s scope) finish(d *draft) {
	if _, hasName := d.keys["name"]; !hasName {
		s.mistakeAt(d.at, "name", "is missing: must be the name that the user logs in with")
	}
	s.checkLogin(d)
	s.setPermissions(d)
	s.place(d)
	s.checkHome(d)
	s.checkService(d)
}

// checkService reports an endpoint of the user that contains a bucket.
func (s scope) checkService(d *draft) {
	if d.S3 == nil || d.S3.Endpoint == "" {
		return
	}
	var pathStyle *bool
	if s.options != nil {
		pathStyle = s.options.PathStyle
	}
	for _, m := range d.Mounts {
		if err := checkEndpoint(d.S3.Endpoint, m.Bucket, "bucket: "+m.Bucket, pathStyle); err != nil {
			s.mistakeAt(s.spotOf(d, "s3"), "s3: endpoint "+quoted(d.S3.Endpoint), "%v", err)
			return
		}
	}
}

// setPermissions sets the permissions of a user that has none. The user anonymous can only read, unless its own keys say more.
func (s scope) setPermissions(d *draft) {
	_, own := d.keys["permissions"]
	if d.Name == anonymous && !own {
		d.Permissions = permissionSets["ro"]
		if _, ownMounts := d.keys["mounts"]; !ownMounts {
			d.mounts = slices.Clone(d.mounts)
			for i := range d.mounts {
				d.mounts[i].permissions = inBoth(d.mounts[i].permissions, d.Permissions)
			}
		}
	}
	if d.Permissions == nil {
		d.Permissions = permissionSets["rw"]
	}
}

// inBoth returns the permissions in both lists; nil = those of the user.
func inBoth(a, b []string) []string {
	if a == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(a), func(p string) bool { return !slices.Contains(b, p) })
}

// place sets the mounts of a user.
func (s scope) place(d *draft) {
	_, ownMounts := d.keys["mounts"]
	prefix, ownPrefix := d.keys["prefix"]
	_, ownBucket := d.keys["bucket"]
	switch {
	case ownMounts && ownPrefix:
		s.mistakeAt(prefix, "prefix", "must not be combined with mounts, which have prefixes of their own")
		return
	case !ownMounts && (ownPrefix || ownBucket):
		d.mounts = nil
	}
	if d.bucket == "" && s.options != nil {
		d.bucket = s.options.Bucket
	}
	mounts := d.mounts
	if mounts == nil {
		mounts = []mountDraft{{path: "/", prefix: s.rootPrefix(d), at: s.spotOf(d, "prefix")}}
	}
	if !s.valid(d, "name", "bucket", "prefix", "mounts", "permissions") {
		return
	}
	d.Mounts = make([]Mount, 0, len(mounts))
	for _, m := range mounts {
		if !m.invalid {
			d.Mounts = append(d.Mounts, s.resolve(d, m))
		}
	}
}

// rootPrefix returns the prefix of a user without mounts.
func (s scope) rootPrefix(d *draft) string {
	_, own := d.keys["prefix"]
	_, inDefaults := s.defaults.keys["prefix"]
	if !own && !inDefaults && s.options != nil {
		return s.options.Prefix
	}
	return d.prefix
}

// resolve returns a mount of a user without variables.
func (s scope) resolve(d *draft, m mountDraft) Mount {
	if m.path != "/" || d.mounts != nil {
		s = s.within("mounts", "").within(m.path, "")
	}
	full := Mount{Path: m.path, Bucket: m.bucket, Prefix: m.prefix, Permissions: m.permissions}
	if full.Bucket == "" {
		full.Bucket = d.bucket
	}
	if full.Permissions == nil {
		full.Permissions = d.Permissions
	}
	if full.Bucket == "" && s.options != nil {
		s.commonMistake(s.spotOf(d, "name"), d.Name, "bucket: is missing", "must be the user's, that of defaults, or --bucket")
	}
	if strings.Contains(m.prefix, userVariable) {
		full.Prefix = s.expand(d, m.prefix)
	}
	return full
}

// expand replaces {user} in a prefix. It reports a name that would lead out of the prefix.
func (s scope) expand(d *draft, prefix string) string {
	at := s.spotOf(d, "name")
	if strings.Contains(d.Name, "/") || d.Name == "." || d.Name == ".." {
		s.path = ""
		s.mistakeAt(at, "name "+quoted(d.Name), "must not contain a slash or be \".\" or \"..\", because it replaces {user} in the prefix %s", quoted(prefix))
		return ""
	}
	full, err := parsePrefix(strings.ReplaceAll(prefix, userVariable, d.Name))
	if err != nil {
		s.mistakeAt(at, "prefix "+quoted(prefix), "with the name in place of {user}: %v", err)
	}
	return full
}

// checkHome reports a home outside the mounts.
func (s scope) checkHome(d *draft) {
	if d.Home == "" {
		d.Home = "/"
	}
	inside := slices.ContainsFunc(d.Mounts, func(m Mount) bool { return isBelow(d.Home, m.Path) || isBelow(m.Path, d.Home) })
	if !inside && len(d.Mounts) > 0 && s.valid(d, "home") {
		s.mistakeAt(s.spotOf(d, "home"), "home "+quoted(d.Home), "must be one of the mounts, or a directory in one")
	}
}

// isBelow reports whether a path is a directory or lies below it.
func isBelow(name, dir string) bool {
	return name == dir || strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/")
}
