package e2e

import (
	"fmt"
	"strings"
)

type lftp struct{ visit }

// q quotes a word for lftp and ncftp.
func q(word string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word) + `"`
}

func (c lftp) do(command string) string {
	c.t.Helper()
	passive := "on"
	if c.active {
		passive = "off"
	}
	script := fmt.Sprintf("set cmd:fail-exit yes\nset net:max-retries 1\nset net:timeout 120\nset ftp:ssl-allow no\nset ftp:passive-mode %s\n"+
		"open -u %s,%s ftp://%s\n%s\n", passive, user, password, c.b.addr, command)
	return run(c.t, c.dir, script, "lftp", "--norc", "-f", "/dev/stdin")
}

func (c lftp) put(local, remote string)     { c.do("put " + q(local) + " -o " + q(remote)) }
func (c lftp) get(remote, local string)     { c.do("get " + q(remote) + " -o " + q(local)) }
func (c lftp) resume(remote, local string)  { c.do("get -c " + q(remote) + " -o " + q(local)) }
func (c lftp) list(dir string) string       { return c.do("ls " + q(dir)) }
func (c lftp) mkdir(dir string)             { c.do("mkdir " + q(dir)) }
func (c lftp) rename(from, to string)       { c.do("mv " + q(from) + " " + q(to)) }
func (c lftp) remove(name string)           { c.do("rm " + q(name)) }
func (c lftp) putTree(local, remote string) { c.do("mirror -R " + q(local) + " " + q(remote)) }
func (c lftp) getTree(remote, local string) { c.do("mirror " + q(remote) + " " + q(local)) }
