package names

import (
	"maps"
	"path"
	"strings"
)

// Directories are those that a session has seen. On S3 a directory without a marker vanishes with its last file, but a client
// that has just emptied it expects CWD and RMD to work.
type Directories map[string]bool

// maxKnownDirs limits the directories that a session remembers.
const maxKnownDirs = 4096

// Add adds a directory and its parents.
func (d *Directories) Add(dir string) {
	for ; dir != "/" && !(*d)[dir]; dir = path.Dir(dir) {
		if *d == nil || len(*d) >= maxKnownDirs {
			*d = make(Directories)
		}
		(*d)[dir] = true
	}
}

// Forget removes dir and all below it.
func (d Directories) Forget(dir string) {
	maps.DeleteFunc(d, func(name string, _ bool) bool { return IsWithin(dir, name) })
}

// Move updates the directories after a rename. It forgets those below the old name, and does not know those below the new one.
func (d *Directories) Move(from, to string) {
	d.Forget(from)
	d.Add(path.Dir(from)) // it may have vanished with its last file
	d.Add(path.Dir(to))
}

// IsWithin reports whether name is dir or below it.
func IsWithin(dir, name string) bool {
	return name == dir || strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/")
}
