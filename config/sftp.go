package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// isPEM reports whether the value of an option is a key itself, and not the name of a file.
func isPEM(text string) bool { return strings.HasPrefix(strings.TrimSpace(text), "-----BEGIN") }

// generateKeys is the value of --sftp-host-key for keys that are made at the start.
const generateKeys = "generate"

// parseHostKeys reads FILE,FILE,... or generate, or keys in PEM. The files must be readable and not empty.
func parseHostKeys(text string) (HostKeys, error) {
	switch {
	case text == "":
		return HostKeys{}, nil
	case isPEM(text):
		return HostKeys{Text: Secret(text)}, nil
	case text == generateKeys:
		return HostKeys{Generate: true}, nil
	}
	var keys HostKeys
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		switch {
		case name == generateKeys:
			return HostKeys{}, errors.New("must be generate alone, or files")
		case name == "":
			return HostKeys{}, errors.New("must be file names, with commas between them")
		case slices.Contains(keys.Files, name):
			return HostKeys{}, fmt.Errorf("has %s twice", quoted(name))
		case strings.HasSuffix(name, ".pub"):
			return HostKeys{}, fmt.Errorf("must be the private key, which is in %s", quoted(strings.TrimSuffix(name, ".pub")))
		}
		if err := readable(name); err != nil {
			return HostKeys{}, fmt.Errorf("%s: %w", name, err)
		}
		keys.Files = append(keys.Files, name)
	}
	return keys, nil
}

// readable returns an error for a file that cannot be read, or is empty.
func readable(name string) error {
	text, err := os.ReadFile(name)
	if err == nil && strings.TrimSpace(string(text)) == "" {
		return errors.New("must contain a key, but is empty")
	}
	return withoutPath(err)
}

// parseAuthorizedKeysFile reads the name of a file with public keys, which must all be valid.
func parseAuthorizedKeysFile(name string) (string, error) {
	return name, checkAuthorizedKeysFile(name)
}

// parseAuthoritiesFile reads the name of a file with the public keys of authorities, which must all be valid.
func parseAuthoritiesFile(name string) (string, error) {
	return name, checkKeysFile(name, ParseAuthorities)
}

// ParseAuthorities reads the text of a file with public keys of authorities, as ParsePublicKeys does. They have no options.
func ParseAuthorities(text []byte) (keys []PublicKey, mistakes Mistakes) {
	all, mistakes := ParsePublicKeys(text)
	for _, key := range all {
		if len(key.From) > 0 {
			mistakes.add(key.Fingerprint(), "must have no option from=: a certificate can be limited by its option source-address")
			continue
		}
		keys = append(keys, key)
	}
	return keys, mistakes
}

// maxBanner is the maximal length of a banner in bytes.
const maxBanner = 16 << 10

// parseBanner returns the text of a file.
func parseBanner(name string) (string, error) {
	text, err := os.ReadFile(name)
	if err == nil {
		text, err = utf8Text(text)
	}
	banner := strings.ReplaceAll(string(text), "\r\n", "\n")
	switch {
	case err != nil:
		return "", withoutPath(err)
	case strings.TrimSpace(banner) == "":
		return "", errors.New("must contain a text, but is empty")
	case len(banner) > maxBanner:
		return "", fmt.Errorf("must be at most %s long", SizeText(maxBanner))
	case !utf8.ValidString(banner) || strings.ContainsFunc(banner, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }):
		return "", errors.New("must be UTF-8 without control characters other than line breaks and tabs")
	}
	return strings.TrimSuffix(banner, "\n") + "\n", nil
}

// hostKeyAdvice says how to get a host key.
const hostKeyAdvice = "make a key with `ssh-keygen -t ed25519 -N '' -f s3ftpd_host_key`, and set --sftp-host-key s3ftpd_host_key"

// checkSFTP requires a host key for SFTP, and reports options that have no effect without it.
func (l *loader) checkSFTP() {
	c := &l.config
	if !l.valid("sftp", "sftp-host-key") {
		return
	}
	if c.SFTP != "" {
		if none := len(c.SFTPHostKeys.Files) == 0 && c.SFTPHostKeys.Text == "" && !c.SFTPHostKeys.Generate; none && l.command != Demo {
			l.mistakes.add(l.source("sftp")+" "+quoted(c.SFTP), "requires --sftp-host-key, the key that identifies the server: %s", hostKeyAdvice)
		}
		return
	}
	for _, name := range []string{"sftp-host-key", "authorized-keys", "sftp-user-ca", "sftp-algorithms", "sftp-banner"} {
		if l.isSet(name) && l.values[name].text != optionNamed(name).defaultIn(l.command) && l.valid(name) {
			l.mistakes.add(l.source(name), "requires --sftp, the address for SFTP, e.g. :22")
		}
	}
}
