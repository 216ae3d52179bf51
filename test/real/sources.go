package real

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

var noteSources = sync.OnceValue(func() error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	for _, dir := range []string{"cmd", "config", "passive", "proxy", "s3fs"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(name string, _ fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
				_, err = os.Stat(name)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	_, err = os.Stat(filepath.Join(root, "go.mod"))
	return err
})

// NoteSources stats the sources of s3ftpd, so that the go command does not take the result of a test from its cache when they
// have changed, even if the test only runs the built program. It must be called within a test: the go command does not record
// files that are used before.
func NoteSources() error { return noteSources() }

// moduleRoot returns the nearest directory above the test's that has a go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", os.ErrNotExist
		}
		dir = up
	}
}
