package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// A draft is a user, or the defaults of all users, while it is read.
type draft struct {
	User
	bucket, prefix string // the prefix may contain {user}
	mounts         []mountDraft
	keys           map[string]spot
	at             spot // of the user
}

// userKeys are the keys of a user.
var userKeys = []key[draft]{
	{name: "name", own: true, set: plain(func(d *draft) *string { return &d.Name }, parseUserName)},
	{name: "password", own: true, set: setPassword},
	{name: "password-file", set: setPasswordFile},
	{name: "public-keys", own: true, set: setPublicKeys},
	{name: "public-keys-file", set: setPublicKeysFile},
	{name: "certificate", set: plain(func(d *draft) *string { return &d.Certificate }, parseCertificate)},
	{name: "second-factor", set: setFactors},
	{name: "bucket", set: plain(func(d *draft) *string { return &d.bucket }, parseUserBucket)},
	{name: "prefix", set: plain(func(d *draft) *string { return &d.prefix }, parseUserPrefix)},
	{name: "mounts", set: setMounts},
	{name: "home", set: plain(func(d *draft) *string { return &d.Home }, parseDirectory)},
	{name: "s3", set: setS3},
	{name: "permissions", set: func(s scope, d *draft, n ast.Node) (err error) {
		d.Permissions, err = s.permissions(n, "permissions")
		return err
	}},
	{name: "protocols", set: setProtocols},
	{name: "allow-from", set: setAllowFrom},
	{name: "max-sessions", set: plain(func(d *draft) *int { return &d.MaxSessions },
		orUnlimited(parseCount, "for no limit, set a large one, because without the key it is --max-sessions-per-user"))},
	{name: "max-transfers", set: plain(func(d *draft) *int { return &d.MaxTransfers },
		orUnlimited(parseCount, adviceNoLimit))},
	{name: "max-rate", set: setRate},
	{name: "max-file-size", set: plain(func(d *draft) *int64 { return &d.MaxFileSize }, orUnlimited(parseSize, adviceNoLimit))},
	{name: "daily-upload", set: plain(func(d *draft) *int64 { return &d.DailyUpload }, orUnlimited(parseSize, adviceNoLimit))},
	{name: "quota", set: setQuota},
	{name: "expires", set: plain(func(d *draft) *time.Time { return &d.Expires },
		orUnlimited(parseExpires, "for a user who does not expire, remove the key, or set 9999-12-31 in place of that of defaults"))},
	{name: "disabled", set: plain(func(d *draft) *bool { return &d.Disabled }, parseBool)},
	{name: "attributes", set: setAttributes},
	{name: "provenance", set: plain(func(d *draft) **bool { return &d.Provenance }, parseBoolPointer)},
	{name: "compat", set: setCompat},
}

// defaultKeys returns the keys of the defaults.
func defaultKeys() []key[draft] {
	keys := slices.Clone(userKeys)
	for i := range keys {
		if keys[i].own {
			keys[i].set = func(scope, *draft, ast.Node) error {
				return errors.New("must not be in defaults: each user has its own")
			}
		}
	}
	return keys
}

// plain returns the set function of a key with a plain value, from a pointer to its field and a parser.
func plain[T, V any](of func(*T) *V, parse func(string) (V, error)) func(scope, *T, ast.Node) error {
	return func(s scope, to *T, n ast.Node) error {
		text, err := s.plainText(n)
		if err == nil {
			err = checkText[V](n)
		}
		if err != nil {
			return err
		}
		v, err := parse(text)
		if err != nil {
			return valueError{text, err}
		}
		*of(to) = v
		return nil
	}
}

// checkText refuses booleans and fractions where a text must be. Whole numbers are taken as they are written.
func checkText[V any](n ast.Node) error {
	var v V
	switch any(v).(type) {
	case string, Secret:
	default:
		return nil
	}
	switch n.(type) {
	case *ast.BoolNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return errors.New("must be a text, and in quotes if it looks like a number or like true")
	}
	return nil
}

// maxUserName is the maximal length of a name in bytes.
const maxUserName = 127

func parseUserName(text string) (string, error) {
	if text == "" || len(text) > maxUserName || !isPrintable(text) || strings.TrimSpace(text) != text {
		return "", fmt.Errorf("must be a name of 1 to %d bytes without control characters, and without spaces at its ends", maxUserName)
	}
	return text, nil
}

func parseCertificate(text string) (string, error) {
	if text == "" {
		return "", errors.New("must be the common name or the whole subject of a certificate, e.g. alice or CN=alice,O=Example")
	}
	return parseSubject(text)
}

// listOf reads a list of plain values with a parser. It reports the mistakes of each.
func listOf[V any](s scope, n ast.Node, name string, parse func(string) (V, error)) ([]V, error) {
	nodes, err := elements(n)
	if err != nil {
		return nil, err
	}
	_, isList := n.(*ast.SequenceNode)
	values := make([]V, 0, len(nodes))
	for _, n := range nodes {
		text, err := s.plainText(n)
		if err != nil {
			s.mistake(n, "%s: %v", name, err)
			continue
		}
		v, err := parse(text)
		if err != nil && !isList && strings.Contains(text, ",") {
			err = errors.New("must be in brackets, because it is a list: [A, B]")
		}
		if err != nil {
			s.mistake(n, "%s %s: %v", name, quoted(text), err)
			continue
		}
		values = append(values, v)
	}
	if len(values) < len(nodes) {
		return nil, errReported
	}
	return values, nil
}

func setProtocols(s scope, d *draft, n ast.Node) error {
	all := []string{"ftp", "ftps", "sftp"}
	values, err := listOf(s, n, "protocols", oneOf(all...))
	if err != nil {
		return err
	}
	d.Protocols, err = ordered(values, all)
	return err
}

// ordered returns the values in the order of all, or an error if one of them is there twice.
func ordered(values, all []string) (sorted []string, err error) {
	for _, v := range all {
		switch count(values, v) {
		case 0:
		case 1:
			sorted = append(sorted, v)
		default:
			return nil, fmt.Errorf("must have %s only once", v)
		}
	}
	return sorted, nil
}

func count(values []string, v string) (n int) {
	for _, other := range values {
		if other == v {
			n++
		}
	}
	return n
}

// permissions reads a word for several permissions, or a list of permissions.
func (s scope) permissions(n ast.Node, name string) ([]string, error) {
	all := permissionSets["rw"]
	sets, err := listOf(s, n, name, func(text string) ([]string, error) {
		if set, ok := permissionSets[text]; ok {
			return set, nil
		}
		if i := slices.Index(all, text); i >= 0 {
			return all[i : i+1], nil
		}
		return nil, errors.New("must be rw, ro, wo, dropbox or a list of list, read, write, overwrite, delete, rename and mkdir")
	})
	if err != nil {
		return nil, err
	}
	if len(sets) == 1 {
		return sets[0], nil
	}
	sorted, err := ordered(slices.Concat(sets...), all)
	for _, set := range permissionSets {
		if slices.Equal(set, sorted) {
			sorted = set // shared
		}
	}
	return sorted, err
}

func setAllowFrom(s scope, d *draft, n ast.Node) error {
	networks, err := listOf(s, n, "allow-from", orUnlimited(parseNetwork, "for all clients, remove the key, or set [0.0.0.0/0, '::/0'] in place of that of defaults"))
	if err != nil {
		return err
	}
	d.AllowFrom = s.shareNetworks(networks)
	return nil
}

// shareNetworks returns the list; equal ones are the same.
func (r *usersReader) shareNetworks(networks []netip.Prefix) []netip.Prefix {
	key := fmt.Sprint(networks)
	if shared, ok := r.networks[key]; ok {
		return shared
	}
	r.networks[key] = networks
	return networks
}

// parseExpires reads the last day of a user in UTC, or a time. It returns the first moment after it.
func parseExpires(text string) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.AddDate(0, 0, 1), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, errors.New("must be the last day in UTC, e.g. 2027-01-31, or a time, e.g. 2027-01-31T18:00:00Z")
	}
	return at.UTC(), nil
}

// attributeKeys are the keys under attributes.
var attributeKeys = []key[UserAttributes]{
	{name: "storage-class", set: plain(func(a *UserAttributes) *string { return &a.StorageClass }, parseStorageClass)},
	{name: "sse", set: plain(func(a *UserAttributes) *string { return &a.SSE }, oneOf("AES256", "aws:kms", "aws:kms:dsse"))},
	{name: "sse-kms-key", set: plain(func(a *UserAttributes) *string { return &a.SSEKMSKey }, parseKMSKey)},
	{name: "acl", set: plain(func(a *UserAttributes) *string { return &a.ACL }, oneOf(cannedACLs...))},
	{name: "tags", set: setTags},
}

func setAttributes(s scope, d *draft, n ast.Node) error {
	var a UserAttributes
	s = s.within("attributes", "{storage-class: STANDARD_IA}")
	seen := readMapping(s, &a, n, attributeKeys)
	sse := a.SSE
	if sse == "" && s.options != nil {
		sse = s.options.SSE
	}
	if at := seen["sse-kms-key"]; a.SSEKMSKey != "" && !strings.HasPrefix(sse, "aws:kms") && !seen["sse"].invalid && (s.options != nil || sse != "") {
		s.mistakeAt(at, "sse-kms-key", "requires sse: aws:kms or aws:kms:dsse")
	}
	d.Attributes = &a
	return nil
}

// setTags reads a mapping of tags, or KEY=VALUE,KEY2=VALUE2.
func setTags(s scope, a *UserAttributes, n ast.Node) error {
	entries, ok := entriesOf(n)
	if !ok {
		return plain(func(a *UserAttributes) *map[string]string { return &a.Tags }, parseTags)(s, a, n)
	}
	a.Tags = make(map[string]string, len(entries))
	for _, e := range entries {
		key, err := s.plainText(e.Key)
		if err != nil {
			return err
		}
		value, err := s.plainText(e.Value)
		if err == nil {
			err = checkTag(key, value)
		}
		if _, exists := a.Tags[key]; exists && err == nil {
			err = fmt.Errorf("must have the tag %s only once", quoted(key))
		}
		if err != nil {
			return err
		}
		a.Tags[key] = value
	}
	if len(a.Tags) > maxTags {
		return fmt.Errorf("must be at most %d tags, not %d", maxTags, len(a.Tags))
	}
	return nil
}

// compatKeys are the keys under compat.
var compatKeys = []key[UserCompat]{
	{name: "names", set: plain(func(c *UserCompat) *string { return &c.Names }, oneOf("utf-8", "latin1", "shift-jis", "gbk"))},
	{name: "backslash", set: plain(func(c *UserCompat) **bool { return &c.Backslash }, parseBoolPointer)},
	{name: "lenient-dirs", set: plain(func(c *UserCompat) **bool { return &c.LenientDirs }, parseBoolPointer)},
	{name: "allo", set: plain(func(c *UserCompat) *string { return &c.Allo }, oneOf("auto", "binding", "hint"))},
}

func parseBoolPointer(text string) (*bool, error) {
	on, err := parseBool(text)
	return &on, err
}

func setCompat(s scope, d *draft, n ast.Node) error {
	var c UserCompat
	readMapping(s.within("compat", "{names: latin1}"), &c, n, compatKeys)
	d.Compat = &c
	return nil
}
