package proxy

import (
	"strings"
	"sync"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// A Charset is how names go over the wire; a Store has them in UTF-8. ASCII is the same in all.
type Charset int

const (
	UTF8     Charset = iota
	Latin1           // Windows-1252, which is what devices mean by it
	ShiftJIS         // as Windows has it, code page 932
	GBK              // GB18030, which holds it, and in which all can be said but private-use characters
)

var charsets = map[Charset]struct {
	name string
	encoding.Encoding
}{
	UTF8:     {"UTF-8", encoding.Nop},
	Latin1:   {"Latin-1", charmap.Windows1252},
	ShiftJIS: {"Shift-JIS", japanese.ShiftJIS},
	GBK:      {"GBK", simplifiedchinese.GB18030},
}

func (c Charset) String() string { return charsets[c].name }

// decode returns a text as UTF-8, and whether it is sure to come back the same when it is encoded.
func (c Charset) decode(text string) (string, bool) {
	if c == UTF8 || isASCII(text) {
		return text, true
	}
	decoded, _ := charsets[c].NewDecoder().String(text) // what is none becomes U+FFFD, and does not come back
	back, ok := c.encode(decoded)
	return decoded, ok && back == text
}

// encode returns a text in the charset, and whether it is sure to come back the same when it is decoded.
func (c Charset) encode(text string) (string, bool) {
	if c == UTF8 || isASCII(text) {
		return text, true
	}
	encoded, err := charsets[c].NewEncoder().String(text)
	if err != nil {
		return "", false
	}
	if c == ShiftJIS {
		encoded = likeWindows(encoded)
	}
	back, _ := charsets[c].NewDecoder().String(encoded)
	return encoded, back == text
}

// say returns a text in the charset, with a question mark for what the charset does not have.
func (c Charset) say(text string) string {
	if encoded, ok := c.encode(text); ok {
		return encoded
	}
	var b strings.Builder
	for _, r := range text {
		encoded, ok := c.encode(string(r))
		if !ok {
			encoded = "?"
		}
		b.WriteString(encoded)
	}
	return b.String()
}

// likeWindows replaces, in Shift-JIS, NEC's choice of IBM's characters (rows 89 to 92) by IBM's own (rows 115 to 119). They are
// there twice; the second is what Windows sends (and https://encoding.spec.whatwg.org/#shift_jis-encoder), the first what our
// encoder has. A common one is in the family name Takahashi.
func likeWindows(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		char := text[i:min(i+lenShiftJIS(text[i]), len(text))]
		i += len(char)
		if own, ok := ibm()[char]; ok {
			char = own
		}
		b.WriteString(char)
	}
	return b.String()
}

// lenShiftJIS is how many bytes a character has that begins so.
func lenShiftJIS(first byte) int {
	if 0x81 <= first && first <= 0x9f || 0xe0 <= first && first <= 0xfc {
		return 2
	}
	return 1
}

// ibm maps NEC's choice of IBM's characters to IBM's own.
var ibm = sync.OnceValue(func() map[string]string {
	own := make(map[string]string)
	for first := byte(0xfa); first <= 0xfc; first++ {
		for second := byte(0x40); second <= 0xfc; second++ {
			char := string([]byte{first, second})
			decoded, _ := japanese.ShiftJIS.NewDecoder().String(char)
			nec, err := japanese.ShiftJIS.NewEncoder().String(decoded)
			if err == nil && (nec[0] == 0xed || nec[0] == 0xee) {
				own[nec] = char
			}
		}
	}
	return own
})

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}
