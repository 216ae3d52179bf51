package s3demo

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// checksumPrefix is the prefix of the canonical names of checksum headers.
const checksumPrefix = "X-Amz-Checksum-"

// The reversed polynomials of the CRCs.
const (
	polyCRC32     = crc32.IEEE
	polyCRC32C    = crc32.Castagnoli
	polyCRC64NVME = 0x9a6c9329ac4bc9b5
)

var tableCRC64NVME = sync.OnceValue(func() *crc64.Table { return crc64.MakeTable(polyCRC64NVME) })

// newChecksum returns the hash of a checksum algorithm, named in lower case, or nil if it is not supported.
func newChecksum(algorithm string) hash.Hash {
	switch algorithm {
	case "crc32":
		return crc32.NewIEEE()
	case "crc32c":
		return crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case "crc64nvme":
		return crc64.New(tableCRC64NVME())
	case "sha1":
		return sha1.New()
	case "sha256":
		return sha256.New()
	}
	return nil
}

// A checksum is the checksum of an object or part.
type checksum struct {
	Algorithm string `json:"algorithm,omitempty"` // in lower case; "" = none
	Value     string `json:"value,omitempty"`     // in base64; a composite one ends in "-" and the number of parts
	Composite bool   `json:"composite,omitempty"` // checksum of the checksums of the parts
}

func (c checksum) kind() string {
	switch {
	case c.Algorithm == "":
		return ""
	case c.Composite:
		return "COMPOSITE"
	}
	return "FULL_OBJECT"
}

// set sets the checksum headers of a response.
func (c checksum) set(h http.Header) {
	if c.Algorithm != "" {
		h.Set(checksumPrefix+c.Algorithm, c.Value)
		h.Set("X-Amz-Checksum-Type", c.kind())
	}
}

// A checksumElement is an XML element with a name that depends on the algorithm.
type checksumElement struct {
	XMLName xml.Name
	Value   string `xml:",chardata"`
}

// element returns the checksum as an XML element, or nil if it is empty.
func (c checksum) element() *checksumElement {
	if c.Value == "" {
		return nil
	}
	return &checksumElement{xml.Name{Local: "Checksum" + strings.ToUpper(c.Algorithm)}, c.Value}
}

// sentChecksum returns the checksum in the headers of a request, which may have at most one.
func sentChecksum(h http.Header) (sent checksum, err error) {
	for name := range h {
		algorithm, ok := strings.CutPrefix(name, checksumPrefix)
		if !ok || algorithm == "Type" || algorithm == "Mode" || algorithm == "Algorithm" {
			continue
		}
		if sent.Algorithm != "" {
			return sent, invalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		sent = checksum{Algorithm: strings.ToLower(algorithm), Value: h.Get(name)}
		bare, _, composite := strings.Cut(sent.Value, "-")
		sent.Composite = composite
		sum, err := base64.StdEncoding.DecodeString(bare)
		if digest := newChecksum(sent.Algorithm); digest == nil || err != nil || len(sum) != digest.Size() {
			return sent, invalidRequest("Value for %s header is invalid.", strings.ToLower(name))
		}
	}
	return sent, nil
}

// wantedChecksum returns the checksum algorithm and type of a CreateMultipartUpload request.
// Source: Amazon S3 User Guide, "Checking object integrity", "Full object and composite checksum types".
func wantedChecksum(h http.Header) (want checksum, err error) {
	name, kind := h.Get("X-Amz-Checksum-Algorithm"), h.Get("X-Amz-Checksum-Type")
	want.Algorithm = strings.ToLower(name)
	switch {
	case name == "" && kind == "":
		return want, nil
	case name == "":
		return want, invalidRequest("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
	case newChecksum(want.Algorithm) == nil:
		return want, invalidRequest("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [%s]", algorithms)
	}
	switch kind {
	case "":
		want.Composite = want.Algorithm != "crc64nvme"
	case "COMPOSITE", "FULL_OBJECT":
		want.Composite = kind == "COMPOSITE"
	default:
		return want, invalidRequest("Value for x-amz-checksum-type header is invalid.")
	}
	if want.Composite && want.Algorithm == "crc64nvme" || !want.Composite && strings.HasPrefix(want.Algorithm, "sha") {
		return want, invalidRequest("The %s checksum type cannot be used with the %s checksum algorithm.", want.kind(), want.Algorithm)
	}
	return want, nil
}

const algorithms = "CRC32, CRC32C, CRC64NVME, SHA1, SHA256"

// combineParts returns the checksum of an object made of parts, without reading them.
func (c checksum) combineParts(parts []part) (checksum, error) {
	all := newChecksum(c.Algorithm)
	var whole uint64
	for _, p := range parts {
		sum, err := base64.StdEncoding.DecodeString(p.Checksum)
		if err != nil || len(sum) != all.Size() {
			return c, fmt.Errorf("part %d has no %s", p.Number, c.Algorithm)
		}
		if c.Composite {
			all.Write(sum)
			continue
		}
		whole = combine(c.Algorithm, whole, bigEndian(sum), p.Piece.Size)
	}
	if c.Composite {
		c.Value = encodeSum(all) + "-" + strconv.Itoa(len(parts))
		return c, nil
	}
	sum := make([]byte, all.Size())
	for i := range sum {
		sum[i] = byte(whole >> (8 * (len(sum) - 1 - i)))
	}
	c.Value = base64.StdEncoding.EncodeToString(sum)
	return c, nil
}

func encodeSum(h hash.Hash) string { return base64.StdEncoding.EncodeToString(h.Sum(nil)) }

func bigEndian(sum []byte) (n uint64) {
	for _, b := range sum {
		n = n<<8 | uint64(b)
	}
	return n
}

// combine returns the CRC of two concatenated texts, from the CRC of each and the length of the second. Appending a zero
// bit is a linear map of the CRC; repeated squaring of that map handles any length.
//
// s3fs combines CRCs with another algorithm. The two are independent on purpose: this store verifies the checksums that
// s3fs sends, and the same bug in both would not be noticed.
func combine(algorithm string, first, second uint64, length int64) uint64 {
	poly, width := uint64(polyCRC32), 32
	switch algorithm {
	case "crc32c":
		poly = polyCRC32C
	case "crc64nvme":
		poly, width = polyCRC64NVME, 64
	}
	var step [64]uint64 // the image of each bit, at first for one appended zero bit
	step[0] = poly
	for i := 1; i < width; i++ {
		step[i] = 1 << (i - 1)
	}
	for bits := uint64(length) * 8; bits > 0; bits >>= 1 {
		if bits&1 == 1 {
			first = apply(&step, first)
		}
		var twice [64]uint64
		for i := range width {
			twice[i] = apply(&step, step[i])
		}
		step = twice
	}
	return first ^ second
}

func apply(m *[64]uint64, v uint64) (sum uint64) {
	for i := 0; v != 0; i, v = i+1, v>>1 {
		if v&1 == 1 {
			sum ^= m[i]
		}
	}
	return sum
}
