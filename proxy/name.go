package proxy

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// IsPrintable reports whether text is valid UTF-8 without control characters. U+0080 to U+009F are control characters too:
// some terminals interpret U+009B as ESC [.
func IsPrintable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

// IsElement reports whether name can be one element of a path.
func IsElement(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.Contains(name, "/") && IsPrintable(name)
}
