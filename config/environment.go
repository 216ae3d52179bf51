package config

import (
	"regexp"
	"slices"
	"strings"
)

// prefix begins the name of every environment variable that is meant for the program.
const prefix = "S3FTPD_"

// environment reads the environment. A variable that begins like one of ours and is none is a mistake.
func (l *loading) environment(environ []string) (values []value) {
	environ = slices.Sorted(slices.Values(environ))
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		i := slices.IndexFunc(options, func(o *option) bool { return o.env() == name })
		switch {
		case i >= 0 && options[i].in(l.command):
			values = append(values, value{options[i], name, text})
		case i >= 0:
			l.bad[options[i].name] = true
			l.mistakes.add(name, "%s", l.refused(options[i]))
		case !fromOutside(name, text):
			bare := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, prefix), "_", "-"))
			l.unknown(name, bare, (*option).env)
		}
	}
	return values
}

// serviceHost and servicePort match the variables that Kubernetes sets in every container of a namespace
// that has a service called s3ftpd or s3ftpd-something.
var (
	serviceHost = regexp.MustCompile(`^S3FTPD_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	servicePort = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

// fromOutside tells whether a variable begins like ours without anybody having meant it for us.
func fromOutside(name, text string) bool {
	return serviceHost.MatchString(name) ||
		strings.HasSuffix(name, "_PORT") && servicePort.MatchString(text) ||
		strings.HasPrefix(name, prefix+"TEST_") // what this repository's own tests are told
}
