package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// synonyms are words of other programs for the keys of a users file.
var synonyms = map[string]string{
	"user": "name", "username": "name", "user-name": "name", "login": "name",
	"pass": "password", "passwd": "password", "hash": "password", "password-hash": "password", "secret-file": "password-file",
	"root": "prefix", "directory": "prefix", "dir": "prefix", "path": "prefix", "folder": "prefix", "key-prefix": "prefix",
	"home-dir": "prefix", "homedir": "prefix", "home-directory": "prefix", "root-directory": "prefix", "chroot": "prefix", "jail": "prefix",
	"start-directory": "home", "initial-directory": "home", "virtual-folders": "mounts", "directories": "mounts", "folders": "mounts",
	"access": "permissions", "rights": "permissions", "perms": "permissions", "mode": "permissions",
	"ip": "allow-from", "ips": "allow-from", "allowed-ip": "allow-from", "allowed-ips": "allow-from", "allowed-networks": "allow-from",
	"networks": "allow-from", "hosts": "allow-from", "whitelist": "allow-from", "allow": "allow-from", "source-ip": "allow-from",
	"sessions": "max-sessions", "connections": "max-sessions", "max-connections": "max-sessions", "max-clients": "max-sessions",
	"transfers": "max-transfers", "rate": "max-rate", "bandwidth": "max-rate", "speed": "max-rate", "max-bandwidth": "max-rate",
	"file-size": "max-file-size", "max-upload": "max-file-size", "max-size": "max-file-size", "daily-quota": "daily-upload",
	"disk-quota": "quota", "storage": "quota", "quota-size": "quota", "quota-files": "quota", "bytes": "size", "objects": "files", "max-files": "files",
	"upload": "up", "download": "down", "expire": "expires", "expiry": "expires", "expiration": "expires", "expiration-date": "expires", "valid-until": "expires",
	"locked": "disabled", "inactive": "disabled",
	"cert": "certificate", "subject": "certificate", "tls-certificate": "certificate", "two-factor": "second-factor", "2fa": "second-factor",
	"ssh-key": "public-keys", "ssh-keys": "public-keys", "ssh-public-key": "public-keys", "ssh-public-keys": "public-keys", "keys": "public-keys",
	"authorized-keys": "public-keys", "authorized-keys-file": "public-keys-file", "keys-file": "public-keys-file",
	"access-key-id": "access-key", "key-id": "access-key", "aws-access-key-id": "access-key", "key": "access-key",
	"secret": "secret-key", "secret-access-key": "secret-key", "aws-secret-access-key": "secret-key",
	"url": "endpoint", "host": "endpoint", "endpoint-url": "endpoint", "role": "role-arn", "arn": "role-arn",
	"charset": "names", "encoding": "names", "kms-key": "sse-kms-key", "class": "storage-class", "encryption": "sse",
}

// elsewhere says where a key would be right that is not among the known ones; "" = nowhere.
func (s scope) elsewhere(name string, known []string) string {
	if !slices.Contains(known, "mounts") { // not those of a user
		if slices.Contains(s.userKeys, name) {
			return "it must be a key of a user or of defaults, beside name, bucket or permissions"
		}
		return ""
	}
	for _, outer := range []struct {
		name string
		keys []string
	}{{"s3", names(s3Keys)}, {"attributes", names(attributeKeys)}, {"compat", names(compatKeys)}, {"max-rate", names(rateKeys)}, {"quota", names(quotaKeys)}} {
		if slices.Contains(outer.keys, name) {
			return fmt.Sprintf("it must be under %s: %[1]s: {%s: ...}", outer.name, name)
		}
	}
	return ""
}

// suggestion says which of the known keys is right in place of name, or lists all of them.
func (s scope) suggestion(name string, known []string) string {
	if place := s.elsewhere(name, known); place != "" {
		return place
	}
	if best := mostSimilar(name, known); best != "" {
		return "did you mean " + best + "?"
	}
	last := len(known) - 1
	return "must be " + strings.Join(known[:last], ", ") + " or " + known[last]
}

// innerCapital matches the border of two words in camel case.
var innerCapital = regexp.MustCompile(`([a-z])([A-Z])`)

// mostSimilar returns the most similar of the known keys, or "" if none is similar.
func mostSimilar(name string, known []string) (best string) {
	name = strings.ToLower(strings.ReplaceAll(innerCapital.ReplaceAllString(name, "$1-$2"), "_", "-"))
	if same := synonyms[name]; slices.Contains(known, same) {
		return same
	}
	distance := 1 + max(1, len(name)/3)
	for _, k := range known {
		if d := edits(name, k); d < distance {
			best, distance = k, d
		}
	}
	return best
}

// meansUnlimited matches values that mean "no limit" in other programs.
var meansUnlimited = regexp.MustCompile(`^(?i:~|null|none|no|never|unlimited|infinite|infinity|[.]?inf|any|all|always|everywhere|\*|-1|0|false|off)$`)

// orUnlimited returns a parser whose errors say what is right for a value that means "no limit".
func orUnlimited[V any](parse func(string) (V, error), right string) func(string) (V, error) {
	return func(text string) (V, error) {
		v, err := parse(text)
		if err != nil && meansUnlimited.MatchString(text) {
			err = fmt.Errorf("%w; %s", err, right)
		}
		return v, err
	}
}
