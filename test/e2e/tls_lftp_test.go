package e2e

import (
	"fmt"
	"strings"
)

func tlsLftp(v tlsVisit) (string, error) {
	var b strings.Builder
	b.WriteString(v.lftpSettings())
	for _, f := range v.files {
		fmt.Fprintf(&b, "put %s -o %s\n", q(v.local+"/"+f.name), q(v.home+"/"+f.name))
	}
	fmt.Fprintf(&b, "ls %s\n", q(v.home))
	for _, f := range v.files {
		fmt.Fprintf(&b, "get %s -o %s\n", q(v.home+"/"+f.name), q(v.dir+"/"+f.name))
	}
	return try(v.t, v.dir, b.String(), "lftp", "--norc", "-d", "-f", "/dev/stdin")
}

// lftpSettings are the commands with which lftp connects as the cell has it.
func (v tlsVisit) lftpSettings() string {
	scheme, passive := "ftp://", "on"
	if v.implicit {
		scheme = "ftps://"
	}
	if v.active {
		passive = "off"
	}
	return fmt.Sprintf("set cmd:fail-exit yes\nset net:max-retries 1\nset net:timeout 60\nset ftp:passive-mode %s\nset ssl:ca-file %s\n"+
		"set ftp:ssl-force yes\nset ftp:ssl-protect-data yes\nset ftp:ssl-protect-list yes\nset ssl:priority NORMAL:-VERS-TLS-ALL:+VERS-TLS%s\n"+
		"open -u %s,%s %s%s\n", passive, q(v.b.ca), v.version, user, password, scheme, v.address())
}

// q quotes a word for lftp.
func q(word string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word) + `"`
}
