package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// mirror: between the two runs, the script changes a file, and removes one on either side.
func (e *Task) mirror() error {
	local, back := e.makeTree(), filepath.Join(e.Dir, "mirrored")
	out, err := e.Do("mirror", local, e.Remote("tree"), back)
	if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(local, "dir 2/sub/file-02")); err != nil {
		return err
	}
	if err := sameTrees(e.T, local, back); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	sums := harness.TreeSums(e.T, local)
	for name, sum := range sums {
		if err := e.Stored("tree/"+name, sum); err != nil {
			return err
		}
	}
	if files := strings.Count(strings.Join(e.Bucket.Keys(e.Home+"/tree/"), " "), "file-"); files != len(sums) || len(sums) != treeSize-2 {
		return fmt.Errorf("S3 has %d files, want %d", files, treeSize-2)
	}
	return nil
}

func (e *Task) pget() error {
	f, _, content, err := e.middle()
	if err != nil {
		return err
	}
	e.Bucket.Put(e.Home+"/file", string(content))
	from, back := e.Server.Log.Mark(), filepath.Join(e.Dir, "back")
	if _, err := e.Do("pget", e.Remote("file"), back); err != nil {
		return err
	}
	n := len(e.Server.Log.Entries(from, "transfer", "command="+e.Download, "name="+e.Remote("file")))
	if e.Download == "RETR" && n < 2 {
		return fmt.Errorf("%d transfers, want several", n)
	}
	e.T.Logf("%d transfers", n) // over SFTP, the other connections may come when nothing is left to fetch
	return e.Received(back, f.Sum)
}

func (e *Task) queue() error {
	args := []string{"queue"}
	for _, f := range e.Files[:fewSizes] {
		args = append(args, filepath.Join(e.Local, f.Name))
	}
	if _, err := e.Do(args[0], append(args[1:], "/"+e.Home)...); err != nil {
		return err
	}
	for _, f := range e.Files[:fewSizes] {
		if err := e.Stored(f.Name, f.Sum); err != nil {
			return err
		}
	}
	return nil
}

// methods removes all that it made.
func (e *Task) methods() error {
	if _, err := e.Do("methods", "/"+e.Home); err != nil {
		return err
	}
	return e.hasKeys()
}

func (e *Task) large() error {
	local, back := filepath.Join(e.Dir, "large"), filepath.Join(e.Dir, "back")
	sum := harness.MakeFile(e.T, local, harness.GiB)
	if _, err := e.Do("put", local, e.Remote("large")); err != nil {
		return err
	}
	if err := e.Stored("large", sum); err != nil {
		return err
	}
	if _, err := e.Do("get", e.Remote("large"), back); err != nil {
		return err
	}
	return e.Received(back, sum)
}
