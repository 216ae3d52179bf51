package proxy

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// IsPrintable reports whether a text is UTF-8 without control characters. Those from U+0080 on count too: some terminals obey
// U+009B as they do ESC and a bracket.
func IsPrintable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

// IsElement reports whether a text can be the name of a directory's entry.
func IsElement(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.Contains(name, "/") && IsPrintable(name)
}
