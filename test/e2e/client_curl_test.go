package e2e

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

type curl struct{ visit }

func (c curl) do(args ...string) string {
	c.t.Helper()
	base := []string{"curl", "-sS", "--globoff", "--max-time", "280", "--user", user + ":" + password}
	if c.active {
		base = append(base, "--ftp-port", "-")
	}
	return run(c.t, c.dir, "", append(base, args...)...)
}

func (c curl) url(remote string) string {
	parts := strings.Split(remote, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return "ftp://" + c.b.addr + strings.Join(parts, "/")
}

func (c curl) put(local, remote string)    { c.do("-T", local, c.url(remote)) }
func (c curl) get(remote, local string)    { c.do("-o", local, c.url(remote)) }
func (c curl) resume(remote, local string) { c.do("-C", "-", "-o", local, c.url(remote)) }
func (c curl) list(dir string) string      { return c.do(c.url(dir + "/")) }
func (c curl) mkdir(dir string)            { c.do("-Q", "MKD "+dir, "-o", "/dev/null", c.url("/")) }
func (c curl) remove(name string)          { c.do("-Q", "DELE "+name, "-o", "/dev/null", c.url("/")) }
func (c curl) rename(from, to string) {
	c.do("-Q", "RNFR "+from, "-Q", "RNTO "+to, "-o", "/dev/null", c.url("/"))
}

func (c curl) putTree(local, remote string) {
	names, _ := files(c.t, local)
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "upload-file = %q\nurl = %q\n", filepath.Join(local, name), c.url(remote+"/"+name))
	}
	c.config(b.String(), "--ftp-create-dirs")
}

// getTree asks for the names that putTree has put: curl cannot walk a tree.
func (c curl) getTree(remote, local string) {
	names, _ := files(c.t, filepath.Join(c.dir, "tree"))
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "url = %q\noutput = %q\n", c.url(remote+"/"+name), filepath.Join(local, name))
	}
	c.config(b.String(), "--create-dirs")
}

// config runs many transfers. Side by side, since curl 7.88 waits 200 ms before a passive data connection whenever
// the server has answered EPSV before curl has looked for the answer, as happens on a loopback.
func (c curl) config(text string, args ...string) {
	c.t.Helper()
	base := []string{"curl", "-sS", "--globoff", "--fail-early", "--parallel", "--parallel-max", "8", "--user", user + ":" + password, "-K", "-"}
	if c.active {
		base = append(base, "--ftp-port", "-")
	}
	run(c.t, c.dir, text, append(base, args...)...)
}
