package config

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"

	"github.com/s3ftpd/s3ftpd/proxy/signed"
)

// parseHookURL reads the URL of a web hook: https, or http to a loopback address or to localhost. It must not contain a user or a
// password, because URLs are shown. Errors about a URL that may contain a secret are hidden.
func parseHookURL(text string) (string, error) {
	err := checkHookURL(text)
	switch {
	case err == nil:
		return text, nil
	case strings.ContainsAny(text, "@?#"):
		return "", hidden{err}
	}
	return "", err
}

func checkHookURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("must be a URL, e.g. https://example.com/hook")
	case u.User != nil:
		return errors.New("must not contain a user or a password")
	case u.Fragment != "":
		return errors.New("must not contain a fragment (#)")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return errors.New("must be https: plain http is allowed to loopback addresses only")
	}
	return nil
}

// IsLoopbackURL reports whether the host of a URL is localhost or a loopback address.
func IsLoopbackURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && isLoopback(u.Hostname())
}

// isLoopback reports whether a host is localhost or a loopback address.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// parseSecretFile reads the name of a file that must have a secret for signatures.
func parseSecretFile(name string) (string, error) {
	if _, err := signed.ReadSecret(name); err != nil {
		return "", unreadable(name, err)
	}
	return name, nil
}
