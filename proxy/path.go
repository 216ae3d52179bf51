package proxy

import (
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"
)

// resolve turns the path a client gave into the name a Store takes. It is the only function that does.
//
// A path is absolute or relative to dir; "." and ".." are folded at the root, "//" and a slash at the end
// count for nothing. Bytes are kept as they are: there is no normalisation, and a backslash is a
// character like others. A control byte or invalid UTF-8 is fs.ErrInvalid.
func resolve(dir, arg string) (string, error) {
	if !utf8.ValidString(arg) || strings.IndexFunc(arg, func(r rune) bool { return r < 0x20 || r == 0x7f }) >= 0 {
		return "", fs.ErrInvalid
	}
	if !strings.HasPrefix(arg, "/") {
		arg = dir + "/" + arg
	}
	return path.Clean("/" + arg), nil
}

// quote returns a name as RFC 959 wants it in a 257 reply: in quotes, those inside doubled.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
