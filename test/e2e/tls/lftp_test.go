package tls

import (
	"fmt"
	"strings"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

func tlsLftp(v tlsRun) (string, error) {
	var b strings.Builder
	b.WriteString(v.lftpSettings())
	for _, f := range v.files {
		fmt.Fprintf(&b, "put %s -o %s\n", harness.Quote(v.local+"/"+f.Name), harness.Quote(v.home+"/"+f.Name))
	}
	fmt.Fprintf(&b, "ls %s\n", harness.Quote(v.home))
	for _, f := range v.files {
		fmt.Fprintf(&b, "get %s -o %s\n", harness.Quote(v.home+"/"+f.Name), harness.Quote(v.dir+"/"+f.Name))
	}
	return harness.Try(v.t, v.dir, b.String(), "lftp", "--norc", "-d", "-f", "/dev/stdin")
}

// lftpSettings returns the commands of lftp for a cell.
func (v tlsRun) lftpSettings() string {
	scheme, passive := "ftp://", "on"
	if v.implicit {
		scheme = "ftps://"
	}
	if v.active {
		passive = "off"
	}
	return fmt.Sprintf("set cmd:fail-exit yes\nset net:max-retries 1\nset net:timeout 60\nset ftp:passive-mode %s\nset ssl:ca-file %s\n"+
		"set ftp:ssl-force yes\nset ftp:ssl-protect-data yes\nset ftp:ssl-protect-list yes\nset ssl:priority NORMAL:-VERS-TLS-ALL:+VERS-TLS%s\n"+
		"open -u %s,%s %s%s\n", passive, harness.Quote(v.b.CA), v.version, harness.User, harness.Password, scheme, v.address())
}
