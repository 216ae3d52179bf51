package tls

import (
	_ "embed"
	"strings"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

//go:embed testdata/ftplib_tls.py
var ftplibTLS string

func tlsFtplib(v tlsRun) (string, error)         { return v.ftplib("stock") }
func tlsFtplibResuming(v tlsRun) (string, error) { return v.ftplib("resume") }

func (v tlsRun) ftplib(session string) (string, error) {
	args := v.ftplibArgs("-", session, "errand", v.local, v.home, v.dir)
	return harness.Try(v.t, v.dir, ftplibScript(v.t), append(args, v.names()...)...)
}

// ftplibArgs returns the command line of a script that begins with ftplibScript.
func (v tlsRun) ftplibArgs(script, session string, command ...string) []string {
	begin, mode := "explicit", "passive"
	if v.implicit {
		begin = "implicit"
	}
	if v.active {
		mode = "active"
	}
	host, port, _ := strings.Cut(v.address(), ":")
	return append([]string{"python3", script, host, port, harness.User, harness.Password, begin, mode, v.version, session, v.b.CA}, command...)
}
