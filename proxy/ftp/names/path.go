package names

import (
	"io/fs"
	"path"
	"strings"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// Resolve turns the path that a client gave into the name that a Store takes. No other function does.
//
// A path is absolute or relative to dir; "." and ".." are folded at the root, "//" and a slash at the end
// count for nothing. Bytes are kept as they are: there is no normalisation, and a backslash is a
// character like others. A control character or invalid UTF-8 is fs.ErrInvalid.
func Resolve(dir, arg string) (string, error) {
	if !proxy.IsPrintable(arg) {
		return "", fs.ErrInvalid
	}
	if !strings.HasPrefix(arg, "/") {
		arg = dir + "/" + arg
	}
	return path.Clean("/" + arg), nil
}

// IsDirectoryPath reports whether a path can name nothing but a directory: its last element is "", "." or "..".
func IsDirectoryPath(arg string) bool {
	_, last := path.Split(arg)
	return arg != "" && (last == "" || last == "." || last == "..")
}

// Quote returns a name as RFC 959 wants it in a 257 reply: in quotes, those inside doubled.
func Quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Unquote reads a name in quotes, as [Quote] makes them, at the beginning of a text.
func Unquote(text string) (name, rest string, ok bool) {
	after, ok := strings.CutPrefix(text, `"`)
	if !ok {
		return "", "", false
	}
	var b strings.Builder
	for {
		part, tail, closed := strings.Cut(after, `"`)
		b.WriteString(part)
		switch {
		case !closed:
			return "", "", false
		case !strings.HasPrefix(tail, `"`):
			return b.String(), tail, true
		}
		b.WriteByte('"')
		after = tail[1:]
	}
}
