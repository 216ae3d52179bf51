package tls

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// tlsFileZilla runs the script of package clients.
func tlsFileZilla(v tlsRun) (string, error) {
	script, err := filepath.Abs("../clients/scripts/filezilla")
	if err != nil {
		return "", err
	}
	host, port, _ := strings.Cut(v.address(), ":")
	begin, mode := "explicit", "passive"
	if v.implicit {
		begin = "implicit"
	}
	if v.active {
		mode = "active"
	}
	args := []string{"env", "HOST=" + host, "PORT=" + port, "FTP_USER=" + harness.User, "FTP_PASSWORD=" + harness.Password, "MODE=" + mode, "TLS=" + begin,
		"CERTIFICATE=" + v.b.CA, "GNUTLS_SYSTEM_PRIORITY_FILE=" + v.onlyVersion(), script, "errand", v.local, v.home, v.dir}
	out, err := harness.Try(v.t, v.dir, "", append(args, v.names()...)...)
	if err != nil {
		return out, err
	}
	return "", nil // it shows lists only in its window
}

// onlyVersion returns a configuration of GnuTLS with one version of TLS: FileZilla itself can set only the lowest one.
func (v tlsRun) onlyVersion() string {
	off := map[string]string{"1.2": "tls1.3", "1.3": "tls1.2"}[v.version]
	name := filepath.Join(v.dir, "gnutls.conf")
	if err := os.WriteFile(name, []byte("[overrides]\ndisabled-version = "+off+"\n"), 0o666); err != nil {
		v.t.Fatal(err)
	}
	return name
}
