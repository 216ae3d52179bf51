package e2e

import (
	_ "embed"
	"path/filepath"
	"strings"
)

//go:embed testdata/ftplib_client.py
var ftplibClient string

type ftplib struct{ visit }

func (c ftplib) do(args ...string) string {
	c.t.Helper()
	mode := "passive"
	if c.active {
		mode = "active"
	}
	host, port, _ := strings.Cut(c.b.addr, ":")
	return run(c.t, c.dir, ftplibClient, append([]string{"python3", "-", host, port, user, password, mode}, args...)...)
}

func (c ftplib) put(local, remote string)     { c.do("put", local, remote) }
func (c ftplib) get(remote, local string)     { c.do("get", remote, local) }
func (c ftplib) resume(remote, local string)  { c.do("resume", remote, local) }
func (c ftplib) list(dir string) string       { return c.do("list", dir) }
func (c ftplib) mkdir(dir string)             { c.do("mkdir", dir) }
func (c ftplib) rename(from, to string)       { c.do("rename", from, to) }
func (c ftplib) remove(name string)           { c.do("remove", name) }
func (c ftplib) putTree(local, remote string) { c.do("put_tree", local, remote) }
func (c ftplib) getTree(remote, local string) { c.do("get_tree", remote, filepath.Clean(local)) }
