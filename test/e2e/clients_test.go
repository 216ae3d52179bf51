package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// A client is a real FTP client, as far as these tests drive it. Paths of the server are absolute.
// A method ends the test when the client reports an error.
type client interface {
	put(local, remote string)
	get(remote, local string)
	resume(remote, local string) // continues a local file that is the beginning of the remote one
	list(dir string) string
	mkdir(dir string)
	rename(from, to string)
	remove(name string)
	putTree(local, remote string)
	getTree(remote, local string)
}

// A visit is what every client needs to know of the server and the test.
type visit struct {
	t      testing.TB
	b      *bridge
	active bool
	dir    string // where clients run
}

var clients = []struct {
	name     string
	programs []string
	visit    func(visit) client
}{
	{"curl", []string{"curl"}, func(v visit) client { return curl{v} }},
	{"lftp", []string{"lftp"}, func(v visit) client { return lftp{v} }},
	{"ftplib", []string{"python3"}, func(v visit) client { return ftplib{v} }},
	{"ncftp", []string{"ncftp", "ncftpput", "ncftpget", "ncftpls"}, func(v visit) client { return ncftp{v} }},
	{"tnftp", []string{"tnftp"}, func(v visit) client { return tnftp{v} }},
}

// sizes lie around the edges of what S3 takes in one part, and of the program's first part.
var sizes = []int64{0, 1, 5*mib - 1, 5 * mib, 5*mib + 1, 8 * mib, 100 * mib, gib}

// names need escaping in URLs, in headers or in command lines; the last has all of it.
var names = []string{"with space", "plus+", "per%41cent", "ha#sh", "quest?ion", "amp&er", "semi;colon", "-dash",
	`quo"te`, "apo'strophe", "größe 日本", `-a +b%20"c'#?&;d`}

func TestClients(t *testing.T) {
	server := real.MinIO(t)
	b := newBucket(t, server)
	bridge := startBridge(t, server)
	local := t.TempDir()
	sums := make(map[string]string)
	for _, size := range sizes {
		name := fmt.Sprintf("%d bytes", size)
		sums[name] = makeFile(t, filepath.Join(local, name), size)
	}
	for _, c := range clients {
		for _, mode := range []string{"passive", "active"} {
			t.Run(c.name+"/"+mode, func(t *testing.T) {
				for _, p := range c.programs {
					real.Client(t, p)
				}
				v := visit{t, bridge, mode == "active", t.TempDir()}
				e := errand{visit: v, client: c.visit(v), bucket: b, home: c.name + "-" + mode}
				e.client.mkdir("/" + e.home)
				e.transfers(local, sums)
				e.oddNames(filepath.Join(local, "1 bytes"))
				e.housekeeping()
				e.tree()
				b.empty(e.home + "/") // ten times all this would be too much for a small disk
			})
		}
	}
}

// An errand is what each client is sent to do, in a directory of its own.
type errand struct {
	visit
	client client
	bucket bucketView
	home   string
}

// transfers moves files of all sizes up and down, and resumes downloads.
func (e errand) transfers(local string, sums map[string]string) {
	for name, want := range sums {
		remote, back := "/"+e.home+"/"+name, filepath.Join(e.dir, "back")
		e.client.put(filepath.Join(local, name), remote)
		if got := e.bucket.sum(remote[1:]); got != want {
			e.t.Fatalf("%s: S3 has %s, want %s", name, got, want)
		}
		e.client.get(remote, back)
		if got := sumFile(e.t, back); got != want {
			e.t.Fatalf("%s: came back as %s, want %s", name, got, want)
		}
		if info, _ := os.Stat(back); info.Size() > mib && info.Size() < gib {
			if err := os.Truncate(back, info.Size()/3+1); err != nil {
				e.t.Fatal(err)
			}
			e.client.resume(remote, back)
			if got := sumFile(e.t, back); got != want {
				e.t.Fatalf("%s: resumed to %s, want %s", name, got, want)
			}
		}
		os.Remove(back)
	}
}

func (e errand) oddNames(local string) {
	want := sumFile(e.t, local)
	for _, name := range names {
		remote, back := "/"+e.home+"/"+name, filepath.Join(e.dir, "odd")
		e.client.put(local, remote)
		if got := e.bucket.sum(remote[1:]); got != want {
			e.t.Errorf("%q: S3 has %s, want %s", name, got, want)
		}
		e.client.get(remote, back)
		if got := sumFile(e.t, back); got != want {
			e.t.Errorf("%q: came back as %s, want %s", name, got, want)
		}
		os.Remove(back)
	}
	list := e.client.list("/" + e.home)
	for _, name := range names {
		if !strings.Contains(list, name) {
			e.t.Errorf("the list lacks %q:\n%s", name, list)
		}
	}
}

func (e errand) housekeeping() {
	dir := "/" + e.home + "/a new directory"
	e.client.mkdir(dir)
	if keys := e.bucket.keys(dir[1:]); !slices.Equal(keys, []string{dir[1:] + "/"}) {
		e.t.Errorf("mkdir made %q", keys)
	}
	from, to := "/"+e.home+"/with space", dir+"/re+named %.txt"
	want := e.bucket.sum(from[1:])
	e.client.rename(from, to)
	if old, got := e.bucket.sum(from[1:]), e.bucket.sum(to[1:]); old != "absent" || got != want {
		e.t.Errorf("after the rename, the old name is %s, the new one %s; want absent, %s", old, got, want)
	}
	e.client.remove(to)
	if got := e.bucket.sum(to[1:]); got != "absent" {
		e.t.Errorf("after the deletion there is %s", got)
	}
}

// tree moves a tree of 200 files up and down.
func (e errand) tree() {
	local, back := filepath.Join(e.dir, "tree"), filepath.Join(e.dir, "back")
	for i := range 200 {
		makeFile(e.t, filepath.Join(local, fmt.Sprintf("dir %d/sub", i%5), fmt.Sprintf("file-%03d", i)), int64(i*i))
	}
	e.client.putTree(local, "/"+e.home+"/tree")
	e.client.getTree("/"+e.home+"/tree", back)
	for name, want := range treeSums(e.t, local) {
		if got := e.bucket.sum(e.home + "/tree/" + name); got != want {
			e.t.Errorf("%s: S3 has %s, want %s", name, got, want)
		}
	}
	if up, down := treeSums(e.t, local), treeSums(e.t, back); len(up) != 200 || fmt.Sprint(up) != fmt.Sprint(down) {
		e.t.Errorf("%d files went up, %d came down, or not the same", len(up), len(down))
	}
}

func treeSums(t testing.TB, dir string) map[string]string {
	sums := make(map[string]string)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			rel, _ := filepath.Rel(dir, name)
			sums[rel] = sumFile(t, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sums
}

// files returns the regular files below dir, relative to it, and the directories above them, from the top.
func files(t testing.TB, dir string) (names, dirs []string) {
	for name := range treeSums(t, dir) {
		names = append(names, name)
		for d := filepath.Dir(name); d != "."; d = filepath.Dir(d) {
			dirs = append(dirs, d)
		}
	}
	slices.Sort(names)
	slices.Sort(dirs)
	return names, slices.Compact(dirs)
}
