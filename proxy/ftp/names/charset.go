package names

import (
	"strings"
	"sync"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A Codec translates between text as a client writes it and UTF-8. Its zero value translates nothing.
type Codec struct {
	Charset   proxy.Charset
	Backslash bool // a backslash in a path stands for a slash
}

// DecodePath returns a path that a client sent as UTF-8, with slashes between its elements. A path that is invalid in the
// charset becomes one that [Resolve] refuses.
//
// A path must be decoded before anything is looked for in it: in Shift-JIS and GBK a backslash, or a bracket, may be half of a
// character.
func (c Codec) DecodePath(path string) string {
	text, ok := c.Decode(path)
	if !ok {
		return path + "\xff" // invalid UTF-8
	}
	if c.Backslash {
		text = strings.ReplaceAll(text, `\`, "/")
	}
	return text
}

// CanEncode reports whether a client can be told of the name of a directory's entry, and ask for it by what it is told.
func (c Codec) CanEncode(name string) bool {
	_, ok := c.Encode(name)
	return ok && proxy.IsElement(name) && !(c.Backslash && strings.Contains(name, `\`))
}

// Decode returns a text as UTF-8, and whether encoding that yields the same bytes again.
func (c Codec) Decode(text string) (string, bool) {
	if c.Charset == proxy.UTF8 || isASCII(text) {
		return text, true
	}
	decoded, _ := encodingOf(c.Charset).NewDecoder().String(text) // invalid bytes become U+FFFD, which cannot be encoded
	again, ok := c.Encode(decoded)
	return decoded, ok && again == text
}

// Encode returns a text in the charset, and whether decoding that yields the same text again.
func (c Codec) Encode(text string) (string, bool) {
	if c.Charset == proxy.UTF8 || isASCII(text) {
		return text, true
	}
	encoded, err := encodingOf(c.Charset).NewEncoder().String(text)
	if err != nil {
		return "", false
	}
	if c.Charset == proxy.ShiftJIS {
		encoded = likeWindows(encoded)
	}
	again, _ := encodingOf(c.Charset).NewDecoder().String(encoded)
	return encoded, again == text
}

// EncodeText returns a text in the charset, with a question mark for each character that the charset lacks.
func (c Codec) EncodeText(text string) string {
	if encoded, ok := c.Encode(text); ok {
		return encoded
	}
	var b strings.Builder
	for _, r := range text {
		encoded, ok := c.Encode(string(r))
		if !ok {
			encoded = "?"
		}
		b.WriteString(encoded)
	}
	return b.String()
}

func encodingOf(c proxy.Charset) encoding.Encoding {
	switch c {
	case proxy.Latin1:
		return charmap.Windows1252
	case proxy.ShiftJIS:
		return japanese.ShiftJIS
	case proxy.GBK:
		return simplifiedchinese.GB18030
	}
	return encoding.Nop
}

// likeWindows replaces NEC's copies of the IBM extensions to Shift-JIS (rows 89 to 92) by IBM's own (rows 115 to 119). Both
// encode the same characters; Windows sends IBM's (https://encoding.spec.whatwg.org/#shift_jis-encoder), while package japanese
// writes NEC's. A common one of them is in the family name Takahashi.
func likeWindows(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		char := text[i:min(i+lenShiftJIS(text[i]), len(text))]
		i += len(char)
		if own, ok := necToIBM()[char]; ok {
			char = own
		}
		b.WriteString(char)
	}
	return b.String()
}

// lenShiftJIS returns how many bytes a character has that begins with first.
func lenShiftJIS(first byte) int {
	if 0x81 <= first && first <= 0x9f || 0xe0 <= first && first <= 0xfc {
		return 2
	}
	return 1
}

// necToIBM maps NEC's copies of the IBM extensions to IBM's own.
var necToIBM = sync.OnceValue(func() map[string]string {
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
