package s3demo

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"net/textproto"
	"strconv"
	"strings"
	"sync"

	"github.com/rclone/gofakes3"
)

// checksumPrefix begins the canonical names of headers with a checksum.
const checksumPrefix = "X-Amz-Checksum-"

// The reversed polynomials of the three cyclic checksums.
const (
	polyCRC32     = crc32.IEEE
	polyCRC32C    = crc32.Castagnoli
	polyCRC64NVME = 0x9a6c9329ac4bc9b5
)

var tableCRC64NVME = sync.OnceValue(func() *crc64.Table { return crc64.MakeTable(polyCRC64NVME) })

// newChecksum returns the digest of an algorithm of S3, named in lower case, or nil for another.
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

func checksumHeader(algorithm string) string {
	return textproto.CanonicalMIMEHeaderKey(checksumPrefix + algorithm)
}

// checksumType tells by its form whether a checksum is one over those of the parts.
func checksumType(value string) string {
	if strings.Contains(value, "-") {
		return "COMPOSITE"
	}
	return "FULL_OBJECT"
}

// chooseChecksum sets what the request that begins an upload says of its checksums.
func (u *upload) chooseChecksum(ctx context.Context) error {
	h := headerFrom(ctx)
	u.Algorithm = strings.ToLower(h.Get("X-Amz-Checksum-Algorithm"))
	if u.Algorithm == "" {
		return nil
	}
	if newChecksum(u.Algorithm) == nil {
		return gofakes3.ErrorMessagef(gofakes3.ErrInvalidRequest, "The checksum algorithm %s is not supported.", u.Algorithm)
	}
	switch kind := h.Get("X-Amz-Checksum-Type"); kind {
	case "":
		u.Composite = u.Algorithm != "crc64nvme"
	case "COMPOSITE", "FULL_OBJECT":
		u.Composite = kind == "COMPOSITE"
	default:
		return gofakes3.ErrorInvalidArgument("x-amz-checksum-type", kind, "Unknown checksum type.")
	}
	if u.Composite && u.Algorithm == "crc64nvme" || !u.Composite && strings.HasPrefix(u.Algorithm, "sha") {
		return gofakes3.ErrorMessagef(gofakes3.ErrInvalidRequest, "The checksum type does not go with %s.", u.Algorithm)
	}
	return nil
}

// checksum returns that of the object which the parts make, without reading them.
func (u *upload) checksum(parts []part) (string, error) {
	all := newChecksum(u.Algorithm)
	var whole uint64
	for _, p := range parts {
		sum, err := base64.StdEncoding.DecodeString(p.Checksum)
		if err != nil || len(sum) != all.Size() {
			return "", fmt.Errorf("part %d of upload %s has no %s", p.Number, u.ID, u.Algorithm)
		}
		if u.Composite {
			all.Write(sum)
			continue
		}
		whole = combine(u.Algorithm, whole, number(sum), p.Piece.Size)
	}
	if u.Composite {
		return base64.StdEncoding.EncodeToString(all.Sum(nil)) + "-" + strconv.Itoa(len(parts)), nil
	}
	sum := make([]byte, all.Size())
	for i := range sum {
		sum[i] = byte(whole >> (8 * (len(sum) - 1 - i)))
	}
	return base64.StdEncoding.EncodeToString(sum), nil
}

func number(sum []byte) (n uint64) {
	for _, b := range sum {
		n = n<<8 | uint64(b)
	}
	return n
}

// combine returns the cyclic checksum of two texts put together, from the checksum of each and the second's length.
// To append a zero bit is a linear map of the checksum; squaring that map over and over gives the way for any length.
func combine(algorithm string, first, second uint64, length int64) uint64 {
	poly, width := uint64(polyCRC32), 32
	switch algorithm {
	case "crc32c":
		poly = polyCRC32C
	case "crc64nvme":
		poly, width = polyCRC64NVME, 64
	}
	var step [64]uint64 // the images of the single bits, here when one zero bit is appended
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
