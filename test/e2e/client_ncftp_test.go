package e2e

import (
	"os"
	"path/filepath"
	"strings"
)

type ncftp struct{ visit }

// do runs one of ncftp's programs.
func (c ncftp) do(stdin, program string, args ...string) string {
	c.t.Helper()
	base := []string{program, "-u", user, "-p", password, "-P", c.b.port()}
	if program == "ncftpput" || program == "ncftpget" {
		base = append(base, "-V") // no progress meter
	}
	if program != "ncftp" {
		if c.active {
			base = append(base, "-E")
		} else {
			base = append(base, "-F")
		}
	}
	return run(c.t, c.dir, stdin, append(base, args...)...)
}

// shell gives commands to ncftp itself, which says what went wrong and ends well all the same.
func (c ncftp) shell(command string) string {
	c.t.Helper()
	passive := "on"
	if c.active {
		passive = "off"
	}
	out := c.do("set passive "+passive+"\n"+command+"\nquit\n", "ncftp", "127.0.0.1")
	for _, bad := range []string{"failed", "rror", "No such", "sage:"} {
		if strings.Contains(out, bad) {
			c.t.Fatalf("ncftp %s: %s", command, out)
		}
	}
	return out
}

func (c ncftp) put(local, remote string) { c.do("", "ncftpput", "-C", "127.0.0.1", local, remote) }
func (c ncftp) get(remote, local string) {
	c.do("", "ncftpget", "-Z", "-C", "127.0.0.1", remote, local)
}
func (c ncftp) resume(remote, local string) {
	c.do("", "ncftpget", "-z", "-C", "127.0.0.1", remote, local)
}
func (c ncftp) list(dir string) string {
	return c.do("", "ncftpls", "-l", "ftp://127.0.0.1"+dir+"/")
}
func (c ncftp) mkdir(dir string)       { c.shell("mkdir " + q(dir)) }
func (c ncftp) rename(from, to string) { c.shell("rename " + q(from) + " " + q(to)) }
func (c ncftp) remove(name string)     { c.shell("rm " + q(name)) }

// putTree and getTree keep the tree's own name, which has to be the same on both sides.
func (c ncftp) putTree(local, remote string) {
	c.do("", "ncftpput", "-R", "127.0.0.1", filepath.Dir(remote), local)
}

func (c ncftp) getTree(remote, local string) {
	tmp := c.t.TempDir()
	c.do("", "ncftpget", "-R", "-T", "127.0.0.1", tmp, remote)
	if err := os.Rename(filepath.Join(tmp, filepath.Base(remote)), local); err != nil {
		c.t.Fatal(err)
	}
}
