package clients

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// extras are features that only some clients have.
var extras = []scenario{
	{"mirror", "`mirror` and `mirror -R`, four files at a time, then again with `--delete` after changes on either side", true, (*task).mirror},
	{"sync", "`sync` both ways, four files at a time, then again after changes on either side, and `check`", false, (*task).mirror},
	{"pget", "`pget -n 4`", true, (*task).pget},
	{"queue", "`queue`", true, (*task).queue},
	{"methods", "every method that a script may call", true, (*task).methods},
	{"large", "a file of 1 GiB up and down", false, (*task).large},
}

// mirror: between the two runs, the script changes a file, and removes one on either side.
func (e *task) mirror() error {
	local, back := e.makeTree(), filepath.Join(e.dir, "mirrored")
	out, err := e.do("mirror", local, e.remote("tree"), back)
	if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(local, "dir 2/sub/file-02")); err != nil {
		return err
	}
	if err := sameTrees(e.t, local, back); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	sums := harness.TreeSums(e.t, local)
	for name, sum := range sums {
		if err := e.stored("tree/"+name, sum); err != nil {
			return err
		}
	}
	if files := strings.Count(strings.Join(e.bucket.Keys(e.home+"/tree/"), " "), "file-"); files != len(sums) || len(sums) != treeSize-2 {
		return fmt.Errorf("S3 has %d files, want %d", files, treeSize-2)
	}
	return nil
}

func (e *task) pget() error {
	f, _, content, err := e.middle()
	if err != nil {
		return err
	}
	e.bucket.Put(e.home+"/file", string(content))
	from, back := e.b.Log.Mark(), filepath.Join(e.dir, "back")
	if _, err := e.do("pget", e.remote("file"), back); err != nil {
		return err
	}
	if n := len(e.b.Log.Entries(from, "transfer", "command=RETR", "name="+e.remote("file"))); n < 2 { // a late connection may find nothing left to fetch
		return fmt.Errorf("%d transfers", n)
	}
	return received(e, back, f.Sum)
}

func (e *task) queue() error {
	args := []string{"queue"}
	for _, f := range e.files[:fewSizes] {
		args = append(args, filepath.Join(e.local, f.Name))
	}
	if _, err := e.do(args[0], append(args[1:], "/"+e.home)...); err != nil {
		return err
	}
	for _, f := range e.files[:fewSizes] {
		if err := e.stored(f.Name, f.Sum); err != nil {
			return err
		}
	}
	return nil
}

// methods removes all that it made.
func (e *task) methods() error {
	if _, err := e.do("methods", "/"+e.home); err != nil {
		return err
	}
	return e.hasKeys()
}

func (e *task) large() error {
	local, back := filepath.Join(e.dir, "large"), filepath.Join(e.dir, "back")
	sum := harness.MakeFile(e.t, local, harness.GiB)
	if _, err := e.do("put", local, e.remote("large")); err != nil {
		return err
	}
	if err := e.stored("large", sum); err != nil {
		return err
	}
	if _, err := e.do("get", e.remote("large"), back); err != nil {
		return err
	}
	return received(e, back, sum)
}
