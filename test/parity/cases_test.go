package parity

import (
	"errors"
	"strings"
	"syscall"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/grant"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// cases are what users do. Relative names are in the home directory.
var cases = []test{
	{name: "files", steps: steps(
		"put|f|hello", "stat|f", "list|/", "get|f", "get|f|3", "get|f|5", "put|f|new", "stat|f", "put|empty", "stat|empty", "get|empty",
		"remove|f", "stat|f", "get|f", "remove|f", "list|/",
	)},
	{name: "directories", steps: steps(
		"list|/", "mkdir|d", "mkdir|d", "stat|d", "stat|d/", "stat|/", "list|d", "put|d/f|1", "put|d/e/g|2", "list|d", "list|d/e", "rmdir|d",
		"remove|d/e/g", "remove|d/f", "stat|d", "list|d", "rmdir|d", "rmdir|d", "stat|d", "list|d", "rmdir|/", "remove|/", "mkdir|/", "rmdir|none", "list|none",
	)},
	{name: "a directory vanishes with its last file", store: files("/d/f"), steps: steps("remove|d/f", "rmdir|d", "rmdir|d", "mkdir|d", "rmdir|d")},
	{name: "a directory in place of a file", steps: steps("mkdir|d", "get|d", "get|d/", "put|d|x", "remove|d", "add|d|x", "rmdir|d", "put|d|x", "remove|d")},
	{name: "a file in place of a directory", store: files("/f"), steps: append(
		steps("rmdir|f", "mkdir|f", "list|f", "stat|f/"),
		step{"get|f/", "a path with a slash at its end means a directory, as on a disk", "ok data", "error: Is a directory."},
	)},
	{name: "a file and a directory of one name", store: files("/f", "/f/g"), steps: steps(
		"stat|f", "list|f", "get|f", "list|/", "rmdir|f", "remove|f", "stat|f", "remove|f", "remove|f/g", "stat|f",
	)},
	{name: "times", store: files("/f", "/d/g"), steps: append(
		steps("stat|f", "time|1500000000|f", "stat|f", "list|/", "put|f|new", "stat|f", "time|0|f", "stat|f", "time|4294967295|f", "stat|f", "time|1|none"),
		step{"time|1|d", "clients of SFTP fail otherwise", "error: Is a directory.", "ok"},
		step{"time|1|/", "clients of SFTP fail otherwise", "error: Is a directory.", "ok"},
	)},
	{name: "times that version 3 has not", store: func(m *storetest.Memory) {
		m.Files["/old"] = storetest.MemoryFile{Name: "/old", Time: time.Date(1950, 1, 2, 3, 4, 5, 0, time.UTC)}
		m.Files["/new"] = storetest.MemoryFile{Name: "/new", Time: time.Date(2200, 1, 2, 3, 4, 5, 0, time.UTC)}
		m.Files["/unknown"] = storetest.MemoryFile{Name: "/unknown"}
	}, steps: append(
		[]step{
			{"stat|old", "its times begin in 1970", "file 0 1950-01-02 03:04:05", "file 0 1970-01-01 00:00:00"},
			{"stat|new", "its times end in 2106", "file 0 2200-01-02 03:04:05", "file 0 2106-02-07 06:28:15"},
		},
		steps("stat|unknown")..., // seen as now, since clients would show 1970
	)},
	{name: "rename", store: files("/a", "/b", "/d/f", "/e/g"), steps: append(
		steps("rename|a|c", "stat|a", "get|c", "rename|none|x", "rename|none|c", "rename|d|d2", "list|/", "get|d2/f", "rename|d2|e", "rename|d2|d2/x", "rename|d2|b",
			"rename|c|e", "rename|c|new/c", "list|new", "rename|new/c|new/c", "rename|/|x", "rename|b|/", "rename|e/|e2", "rename|e2|new/x"),
		step{"rename|new/c|d2/f", "RENAME of version 3 refuses a target that exists", "ok", "error: File already exists."},
	), endsDiffer: true},
	{name: "posix-rename", store: files("/a", "/b", "/d/f", "/e/g"), steps: steps(
		"replace|a|b", "get|b", "replace|none|b", "replace|d|e", "replace|d|b", "replace|b|e", "replace|b|b", "replace|d|c", "list|/",
	)},
	{name: "append", steps: steps("add|f|one,", "add|f|two", "get|f", "add|f|", "put|e|", "add|e|x", "get|e", "stat|e")},
	{name: "resume", steps: append(
		steps("break|f|hello", "list|/", "get|f", "rename|f|g", "time|5|f"),
		step{"stat|f", heldBack, "file 5 now", "file 4 now"},
		step{"resume|f|9|x", heldBack, "error: the offset must be 5", "error: the offset must be 4"},
		step{do: "continue|f|hello, world"}, step{do: "get|f"}, step{do: "break|g|hello"}, step{do: "put|g|new"}, step{do: "stat|g"},
		step{do: "break|h|hello"}, step{do: "remove|h"}, step{do: "stat|h"}, step{do: "remove|h"},
	)},
	{name: "append to a broken upload", steps: append(
		steps("break|f|hello", "add|f|new", "get|f", "break|g|hello"),
		step{"stat|g", heldBack, "file 5 now", "file 4 now"},
		step{"add|g|new", "", "ok", "ok"},
		step{"get|g", heldBack, "ok hellonew", "ok hellnew"},
	), endsDiffer: true},
	{name: "a broken upload beside a file", store: files("/f"), steps: append(
		steps("break|f|hello", "stat|f", "get|f"),
		step{"add|f|+", heldBack, "error: the offset must be 5", "error: the offset must be 4"},
		step{do: "get|f"}, step{do: "put|f|new"}, step{do: "get|f"}, step{do: "remove|f"}, step{do: "stat|f"},
	)},
	{name: "writing into a file", store: files("/f", "/g"), steps: append(
		steps("resume|f|4|end", "get|f", "resume|f|8|x", "get|f"),
		step{do: "resume|g|2|x"},
		step{"get|g", "an SFTP client may write in the middle of a file, an FTP client sends the rest of it", "ok dax", "ok daxa"},
	), endsDiffer: true},
	{name: "names", steps: steps(
		"put|a/../b|1", "put|./c|2", "put|/d//e|3", "put|../../f|4", "list|/", "stat|d/.", "stat|d/..", "stat|..", "mkdir|x/", "rmdir|x//", "put| g |5", "get| g ",
		"put|back\\slash|6", "get|back\\slash", "put|\xe4|7", "stat|\xe4", "put|a\x01b|8", "stat|a\x01b", "mkdir|a\x7fb", "rename|b|a\x1fb",
		"put|é|11", "put|e\u0301|12",
		"put|"+strings.Repeat("x", 1024)+"|9", "put|"+strings.Repeat("x", 1025)+"|10", "list|/", "put|*|13", "get|*", "put|-l|14", "get|-l", "list|/",
	)},
	{name: "names that clients cannot use", store: files("/a\x01b", "/ok", "/c\xffd", "/e\\f"), steps: steps("list|/")},
	{name: "backslashes as slashes", account: func(a *proxy.Account) { a.Compat.Backslash = true }, store: files("/e\\f", "/d/f"), steps: steps(
		"list|/", "get|d\\f", "put|d\\g|x", "mkdir|\\new", "list|\\d", "list|/",
	)},
	{name: "Latin-1", account: func(a *proxy.Account) { a.Compat.Names = proxy.Latin1 }, store: files("/é", "/日本"), steps: steps(
		"list|/", "get|\xe9", "put|\xfc|x", "stat|\xfc", "put|\x81|x", "list|/", "mkdir|\xe9\\x", "list|/",
	)},
	{name: "Shift-JIS", account: func(a *proxy.Account) {
		a.Compat = proxy.Compat{Names: proxy.ShiftJIS, Backslash: true}
	}, store: files("/表/é", "/é"), steps: steps(
		"list|/", "list|\x95\x5c", "put|\x95\x5c\\\x95\x5c|x", "list|\x95\x5c", "stat|\xff", "stat|\x95",
	)},
	{name: "lenient directories", account: func(a *proxy.Account) { a.Compat.LenientDirs = true }, store: files("/f"), steps: steps(
		"mkdir|d", "mkdir|d", "mkdir|f", "list|d", "rmdir|d", "rmdir|d", "stat|none",
	)},
	{name: "home", account: func(a *proxy.Account) { a.Home = "/home/user" }, steps: append(
		steps("stat|.", "stat|/home", "stat|../other", "rmdir|.", "put|f|x", "stat|/home/user/f", "list|.", "remove|f", "stat|/home/user"),
		step{"time|1|.", "clients of SFTP fail otherwise", "error: No such file or directory.", "ok"},
	)},
	{name: "read only", account: allowed(proxy.PermList | proxy.PermRead), store: files("/f", "/d/g"), steps: append(
		steps("list|/", "stat|f", "get|f", "put|f|x", "put|new|x", "add|f|x", "resume|f|4|x", "remove|f", "rmdir|d", "mkdir|e",
			"rename|f|g", "replace|f|d/g", "time|5|f", "time|5|none"),
		step{"time|5|d", "clients of SFTP fail otherwise", "error: Permission denied.", "ok"},
	)},
	{name: "dropbox", account: allowed(proxy.PermWrite | proxy.PermMkdir), store: files("/f", "/d/g"), steps: append(
		steps("list|/", "list|d", "stat|f", "stat|none", "stat|d", "get|f", "get|none", "put|new|x", "stat|new", "time|5|new", "stat|new",
			"get|new", "remove|new", "mkdir|e"),
		step{"put|f|x", "the account's permissions are what it can change", "error: File already exists.", "error: Permission denied."},
		step{"add|f|x", "the same", "error: File already exists.", "error: Permission denied."},
	)},
	{name: "write only", account: allowed(proxy.PermWrite | proxy.PermOverwrite | proxy.PermMkdir), store: files("/f", "/d/g"), steps: steps(
		"stat|f", "put|f|x", "add|f|y", "add|d/g|y", "resume|f|2|z", "time|5|d/g", "list|d",
	)},
	{name: "the storage fails", store: func(m *storetest.Memory) {
		files("/f", "/d/g")(m)
		for _, name := range []string{"/f", "/d", "/d/g"} {
			m.Fail[name] = storetest.ErrDown
		}
	}, steps: steps(
		"stat|f", "get|f", "put|f|x", "add|f|x", "list|d", "remove|f", "mkdir|d", "rmdir|d", "rename|f|x", "time|5|f",
	)},
	{name: "errors of the storage", store: func(m *storetest.Memory) {
		files("/f", "/full", "/large", "/busy", "/refused", "/meta", "/never", "/no buffer")(m)
		for name, err := range map[string]error{
			"/full": syscall.ENOSPC, "/large": syscall.EFBIG, "/busy": syscall.EBUSY, "/refused": syscall.EACCES, "/meta": syscall.E2BIG,
			"/no buffer": syscall.ENOBUFS, "/never": errors.ErrUnsupported,
		} {
			m.Fail[name] = err
		}
	}, steps: steps(
		"put|full|x", "put|large|x", "put|busy|x", "remove|busy", "time|5|refused", "remove|refused", "time|5|meta", "put|no buffer|x",
		"put|never|x", "rename|f|never", "rename|f|large",
	)},
	{name: "a download that fails in the middle", store: func(m *storetest.Memory) {
		files("/f", "/d/1", "/d/2")(m)
		m.Breaks["/f"], m.Breaks["/d"] = 2, 1
	}, steps: append(
		steps("list|d"),
		step{"get|f", "a READ has all bytes or none", "error: Storage error, try again later. da", "error: Storage error, try again later."},
	)},
	{name: "file size", account: func(a *proxy.Account) { a.Store = grant.MaxFileSize(a.Store, 5) }, steps: steps(
		"put|f|hello", "put|f|hello!", "get|f", "add|f|!", "put|g|hello!", "stat|g",
	)},
}

// heldBack is the reason why an upload that SFTP has lost has a byte less: nothing tells whether the client has sent all of it, and
// clients compare sizes to see whether a file is stored. Where FTP cannot tell, the store holds that byte back.
const heldBack = "one byte is held back"

// files returns a function that stores files with the content "data".
func files(names ...string) func(*storetest.Memory) {
	return func(m *storetest.Memory) {
		for _, name := range names {
			m.Files[name] = storetest.MemoryFile{Name: name, Data: []byte("data"), Time: time.Unix(1_000_000_000, 0)}
		}
	}
}

// allowed gives an account permissions.
func allowed(p proxy.Permissions) func(*proxy.Account) {
	return func(a *proxy.Account) { a.Store = grant.Permissions(a.Store, grant.Rules{Allowed: p}) }
}
