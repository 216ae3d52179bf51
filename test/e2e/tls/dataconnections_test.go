package tls

import (
	"strings"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// A dataTLS is a data connection and its transfer, as logged.
type dataTLS struct {
	command string
	version string // empty = there was no TLS
	resumed bool
	code    int
}

// dataConnections returns the transfers of files below home, from a line of the log on.
func dataConnections(l *harness.Log, from int, home string) (all []dataTLS) {
	under := make(map[string]dataTLS) // by session
	for _, line := range l.Since(from) {
		e := harness.Entry(line)
		session, _ := e["session"].(string)
		switch e["msg"] {
		case "TLS on the data connection":
			version, _ := e["version"].(string)
			resumed, _ := e["resumed"].(bool)
			under[session] = dataTLS{version: version, resumed: resumed}
		case "transfer":
			d, name, code := under[session], e["name"], e["code"]
			delete(under, session)
			if within(name, home) {
				d.command, _ = e["command"].(string)
				number, _ := code.(float64)
				d.code = int(number)
				all = append(all, d)
			}
		}
	}
	return all
}

func within(name any, home string) bool {
	s, _ := name.(string)
	rest, found := strings.CutPrefix(s, home)
	return found && (rest == "" || rest[0] == '/')
}
