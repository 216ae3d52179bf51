package config

import (
	"regexp"
	"slices"
	"strings"
)

// prefix is the prefix of the environment variables of options.
const prefix = "S3FTPD_"

// environment returns the values of environment variables. A variable with the prefix that is not an option is a mistake.
func (l *loader) environment(environ []string) (values []value) {
	environ = slices.Sorted(slices.Values(environ))
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		i := slices.IndexFunc(options, func(o *option) bool { return o.env() == name })
		switch {
		case i >= 0 && options[i].isIn(l.command):
			values = append(values, value{options[i], name, text})
		case i >= 0:
			l.invalid[options[i].name] = true
			l.mistakes.add(name, "%s", l.notAllowed(options[i]))
		case !isForeign(name, text):
			bare := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, prefix), "_", "-"))
			l.unknown(name, bare, (*option).env)
		}
	}
	return values
}

// serviceHost and servicePort match the variables that Kubernetes sets in every container of a namespace that has a service
// named s3ftpd or s3ftpd-*.
var (
	serviceHost = regexp.MustCompile(`^S3FTPD_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	servicePort = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

// isForeign reports whether a variable with the prefix belongs to Kubernetes or to the tests.
func isForeign(name, text string) bool {
	return serviceHost.MatchString(name) ||
		strings.HasSuffix(name, "_PORT") && servicePort.MatchString(text) ||
		strings.HasPrefix(name, prefix+"TEST_") // configures the tests of this repository
}
