package names

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// ErrCharset means that a name is not in the charset that the server expects from the client. It is an fs.ErrInvalid.
var ErrCharset = fmt.Errorf("the name is not in the expected charset: %w", fs.ErrInvalid)

// Resolve returns the name of a Store for the path that a client sent. No other function does.
//
// The path is absolute or relative to dir. Resolve removes "." and "..", which stops at the root, and doubled and trailing
// slashes. It changes no other bytes: it does not normalise Unicode, and a backslash is an ordinary character. A control
// character is fs.ErrInvalid, invalid UTF-8 is ErrCharset.
func Resolve(dir, arg string) (string, error) {
	if !utf8.ValidString(arg) {
		return "", ErrCharset
	}
	if !proxy.IsPrintable(arg) {
		return "", fs.ErrInvalid
	}
	if !strings.HasPrefix(arg, "/") {
		arg = dir + "/" + arg
	}
	return path.Clean("/" + arg), nil
}

// IsDirectoryPath reports whether a path can only mean a directory, because its last element is "", "." or "..".
func IsDirectoryPath(arg string) bool {
	_, last := path.Split(arg)
	return arg != "" && (last == "" || last == "." || last == "..")
}

// Quote returns a name as in a 257 reply of RFC 959: in quotes, with quotes in the name doubled.
func Quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Unquote returns the name at the beginning of text, which is quoted as by [Quote], and the rest of text.
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
