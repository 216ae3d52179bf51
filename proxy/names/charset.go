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

// A Codec translates between the charset of a client and UTF-8. The zero value is for UTF-8.
type Codec struct {
	Charset   proxy.Charset
	Backslash bool // a backslash in a path stands for a slash
}

// DecodePath returns a path from a client in UTF-8, with slashes between its elements. If the path is invalid in the charset,
// the result is one that [Resolve] refuses.
//
// Decode a path before you search in it: in Shift-JIS and GBK, a backslash or bracket may be the second byte of a character.
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

// CanEncode reports whether a listing can show the name of an entry, such that the client can use it in a command.
func (c Codec) CanEncode(name string) bool {
	_, ok := c.Encode(name)
	return ok && proxy.IsElement(name) && !(c.Backslash && strings.Contains(name, `\`))
}

// Decode returns text in UTF-8, and whether encoding that yields the same bytes again.
func (c Codec) Decode(text string) (string, bool) {
	if c.Charset == proxy.UTF8 || isASCII(text) {
		return text, true
	}
	decoded, _ := encodingOf(c.Charset).NewDecoder().String(text) // invalid bytes become U+FFFD, which cannot be encoded
	again, ok := c.Encode(decoded)
	return decoded, ok && again == text
}

// Encode returns text in the charset, and whether decoding that yields the same text again.
func (c Codec) Encode(text string) (string, bool) {
	if c.Charset == proxy.UTF8 || isASCII(text) {
		return text, true
	}
	encoded, err := encodingOf(c.Charset).NewEncoder().String(text)
	if err != nil {
		return "", false
	}
	if c.Charset == proxy.ShiftJIS {
		encoded = useIBMExtensions(encoded)
	}
	again, _ := encodingOf(c.Charset).NewDecoder().String(encoded)
	return encoded, again == text
}

// EncodeText returns text in the charset, with a question mark for each character that the charset lacks.
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

// useIBMExtensions replaces the NEC codes of the IBM extensions to Shift-JIS (rows 89 to 92) by the IBM codes (rows 115 to 119).
// Both encode the same characters. Windows sends the IBM codes (https://encoding.spec.whatwg.org/#shift_jis-encoder), package
// japanese writes the NEC codes. One of these characters is common in the family name Takahashi.
func useIBMExtensions(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		char := text[i:min(i+lenShiftJIS(text[i]), len(text))]
		i += len(char)
		if ibm, ok := necToIBM()[char]; ok {
			char = ibm
		}
		b.WriteString(char)
	}
	return b.String()
}

// lenShiftJIS returns the length in bytes of a character with this first byte.
func lenShiftJIS(first byte) int {
	if 0x81 <= first && first <= 0x9f || 0xe0 <= first && first <= 0xfc {
		return 2
	}
	return 1
}

// necToIBM maps the NEC codes of the IBM extensions to the IBM codes.
var necToIBM = sync.OnceValue(func() map[string]string {
	ibm := make(map[string]string)
	for first := byte(0xfa); first <= 0xfc; first++ {
		for second := byte(0x40); second <= 0xfc; second++ {
			char := string([]byte{first, second})
			decoded, _ := japanese.ShiftJIS.NewDecoder().String(char)
			nec, err := japanese.ShiftJIS.NewEncoder().String(decoded)
			if err == nil && (nec[0] == 0xed || nec[0] == 0xee) {
				ibm[nec] = char
			}
		}
	}
	return ibm
})

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}
