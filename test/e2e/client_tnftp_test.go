package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

type tnftp struct{ visit }

var refused = regexp.MustCompile(`(?m)^([45]\d\d[ -][A-Z]|\?|ftp: |usage:).*`)

// tq quotes a word for tnftp, which knows a backslash outside of quotes only.
func tq(word string) string {
	var b strings.Builder
	for _, c := range word {
		if strings.ContainsRune(` "'\\;&#?*[]{}|!$%+`, c) {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// do gives commands to tnftp, which ends well whatever the server says.
func (c tnftp) do(commands ...string) string {
	c.t.Helper()
	mode := "-p"
	if c.active {
		mode = "-A"
	}
	script := fmt.Sprintf("user %s %s\nprompt off\nbinary\n%s\nquit\n", user, password, strings.Join(commands, "\n"))
	out := run(c.t, c.dir, script, "tnftp", "-n", "-v", mode, "127.0.0.1", c.b.port())
	if bad := refused.FindString(out); bad != "" {
		c.t.Fatalf("tnftp %q: %s", commands, out)
	}
	return out
}

func (c tnftp) put(local, remote string)    { c.do("put " + tq(local) + " " + tq(remote)) }
func (c tnftp) get(remote, local string)    { c.do("get " + tq(remote) + " " + tq(local)) }
func (c tnftp) resume(remote, local string) { c.do("reget " + tq(remote) + " " + tq(local)) }
func (c tnftp) list(dir string) string      { return c.do("ls " + tq(dir)) }
func (c tnftp) mkdir(dir string)            { c.do("mkdir " + tq(dir)) }
func (c tnftp) rename(from, to string)      { c.do("rename " + tq(from) + " " + tq(to)) }
func (c tnftp) remove(name string)          { c.do("delete " + tq(name)) }

func (c tnftp) putTree(local, remote string) {
	names, dirs := files(c.t, local)
	commands := []string{"mkdir " + tq(remote)}
	for _, d := range dirs {
		commands = append(commands, "mkdir "+tq(remote+"/"+d))
	}
	for _, d := range leaves(names) {
		commands = append(commands, "lcd "+tq(filepath.Join(local, d)), "cd "+tq(remote+"/"+d), "mput *")
	}
	c.do(commands...)
}

func (c tnftp) getTree(remote, local string) {
	names, _ := files(c.t, filepath.Join(c.dir, "tree"))
	var commands []string
	for _, d := range leaves(names) {
		if err := os.MkdirAll(filepath.Join(local, d), 0o777); err != nil {
			c.t.Fatal(err)
		}
		commands = append(commands, "lcd "+tq(filepath.Join(local, d)), "cd "+tq(remote+"/"+d), "mget file*")
	}
	c.do(commands...)
}

// leaves returns the directories that names lie in.
func leaves(names []string) (dirs []string) {
	for _, name := range names {
		if d := filepath.Dir(name); len(dirs) == 0 || dirs[len(dirs)-1] != d {
			dirs = append(dirs, d)
		}
	}
	return dirs
}
