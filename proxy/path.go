package proxy

import (
	"io/fs"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// resolve turns the path a client gave into the name a Store takes. It is the only function that does.
//
// A path is absolute or relative to dir; "." and ".." are folded at the root, "//" and a slash at the end
// count for nothing. Bytes are kept as they are: there is no normalisation, and a backslash is a
// character like others. A control character or invalid UTF-8 is fs.ErrInvalid.
func resolve(dir, arg string) (string, error) {
	if !isPrintable(arg) {
		return "", fs.ErrInvalid
	}
	if !strings.HasPrefix(arg, "/") {
		arg = dir + "/" + arg
	}
	return path.Clean("/" + arg), nil
}

// isElement says whether a name that stands in a directory can be asked for.
func isElement(name string) bool {
	return isPrintable(name) && name != "" && name != "." && name != ".." && !strings.Contains(name, "/")
}

// isPrintable says whether a text is UTF-8 without control characters, those from U+0080 on among them: some terminals obey
// U+009B as they do ESC and a bracket.
func isPrintable(text string) bool {
	return utf8.ValidString(text) && strings.IndexFunc(text, unicode.IsControl) < 0
}

// quote returns a name as RFC 959 wants it in a 257 reply: in quotes, those inside doubled.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
