// Package access has the permissions that the commands of FTP and the requests of SFTP need. The documentation and the tests read
// them; only the account's Store enforces them, see package grant.
package access

import (
	"strings"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A Need is a condition on the permissions of an account. The zero value is always true.
type Need struct {
	All proxy.Permissions // all of them are needed
	Any proxy.Permissions // one of them is needed
}

// IsMet reports whether the allowed permissions suffice.
func (n Need) IsMet(allowed proxy.Permissions) bool {
	return allowed&n.All == n.All && (n.Any == 0 || allowed&n.Any != 0)
}

// String returns the names of the permissions, e.g. "overwrite and rename", "list or read", or "-" for none.
func (n Need) String() string {
	all, either := strings.ReplaceAll(n.All.String(), ", ", " and "), strings.ReplaceAll(n.Any.String(), ", ", " or ")
	switch {
	case n == Need{}:
		return "-"
	case n.Any == 0:
		return all
	case n.All == 0:
		return either
	}
	return all + ", and " + either
}

// A State is what has a name when a command comes.
type State int

// The states of a name.
const (
	Missing State = iota // no file, directory or resumable upload
	File                 // a file that this session has not written
	Own                  // a file that it has written
	Dir
	Upload // an upload of this user that can be resumed
	states
)

// Needs are what a command needs, by the state of its name. The zero value needs nothing.
type Needs [states]Need

// always needs one permission whatever has the name.
func always(p proxy.Permissions) (all Needs) {
	for state := range all {
		all[state].All = p
	}
	return all
}

const seen = proxy.PermList | proxy.PermRead // one of them shows files

// Commands that need the same have the same Needs. They are named for what the commands do.
var (
	Lists   = always(proxy.PermList)
	Reads   = always(proxy.PermRead)
	Writes  = always(proxy.PermWrite)
	Deletes = always(proxy.PermDelete)
	Renames = always(proxy.PermRename)
	Makes   = always(proxy.PermMkdir)

	// Stats describes a file. Directories are visible to all accounts.
	Stats = Needs{Missing: {Any: seen}, File: {Any: seen}, Upload: {All: proxy.PermWrite}}

	// Stores writes a file, whether there is one or not.
	Stores = Needs{
		Missing: {All: proxy.PermWrite}, File: {All: proxy.PermOverwrite}, Own: {All: proxy.PermOverwrite}, Dir: {All: proxy.PermWrite},
		Upload: {All: proxy.PermWrite},
	}

	// RenamesTo is about the new name, and replaces a file.
	RenamesTo = Needs{
		Missing: {All: proxy.PermRename}, File: {All: proxy.PermRename | proxy.PermOverwrite}, Own: {All: proxy.PermRename | proxy.PermOverwrite},
		Dir: {All: proxy.PermRename | proxy.PermOverwrite}, Upload: {All: proxy.PermRename},
	}

	// SetsTime sets the time of a file.
	SetsTime = Needs{
		Missing: {All: proxy.PermOverwrite}, File: {All: proxy.PermOverwrite}, Own: {Any: proxy.PermWrite | proxy.PermOverwrite},
		Dir: {All: proxy.PermOverwrite}, Upload: {All: proxy.PermOverwrite},
	}

	// SetsFileTime is SetsTime, but has no effect on a directory, which needs nothing.
	SetsFileTime = Needs{Missing: SetsTime[Missing], File: SetsTime[File], Own: SetsTime[Own], Upload: SetsTime[Upload]}

	// Edits writes a file and keeps what it does not overwrite. It never writes where a directory is.
	Edits = Needs{Missing: Stores[Missing], File: Stores[File], Own: Stores[Own], Upload: Stores[Upload]}

	// EditsFile is Edits of a file that must exist.
	EditsFile = Needs{
		Missing: Stats[Missing], File: {All: proxy.PermOverwrite, Any: seen}, Own: Stores[Own], Upload: Stores[Upload],
	}

	// Creates writes a file where none is.
	Creates = Needs{
		Missing: {All: proxy.PermWrite}, File: {Any: proxy.PermWrite | proxy.PermOverwrite}, Own: {Any: proxy.PermWrite | proxy.PermOverwrite},
		Dir: {All: proxy.PermWrite}, Upload: {All: proxy.PermWrite},
	}
)
