package auth

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

// Limits of crypt's hashes. The specification allows 999,999,999 rounds, which take minutes, and passwords of any length, of
// which long ones take seconds.
const (
	minCryptRounds     = 1000
	maxCryptRounds     = 999_999
	defaultCryptRounds = 5000
	maxCryptSalt       = 16  // bytes
	maxCryptPassword   = 512 // bytes, as in libxcrypt; longer passwords are wrong
)

// cryptSecret is a hash of crypt(3): $5$ (SHA-256) or $6$ (SHA-512), as specified in Ulrich Drepper's "Unix crypt using
// SHA-256 and SHA-512".
type cryptSecret struct {
	long   bool // SHA-512
	rounds int
	salt   string
	sum    string // in crypt's base64
}

// parseCrypt parses a text that begins with $5$ or $6$.
func parseCrypt(text string) (secret, error) {
	fields := strings.Split(text, "$")
	c := cryptSecret{long: fields[1] == "6", rounds: defaultCryptRounds}
	fields = fields[2:]
	rounds, chosen := strings.CutPrefix(fields[0], "rounds=")
	if chosen {
		var err error
		if c.rounds, err = strconv.Atoi(rounds); err != nil || strconv.Itoa(c.rounds) != rounds {
			return nil, errors.New("is not a valid hash of crypt: its rounds are not a number")
		}
		fields = fields[1:]
	}
	size := 43
	if c.long {
		size = 86
	}
	switch {
	case c.rounds < minCryptRounds || c.rounds > maxCryptRounds:
		return nil, fmt.Errorf("is a hash of crypt with %d rounds: must be %d to %d", c.rounds, minCryptRounds, maxCryptRounds)
	case len(fields) != 2 || len(fields[0]) > maxCryptSalt || hasControl(fields[0]) || len(fields[1]) != size || strings.Trim(fields[1], cryptAlphabet) != "":
		return nil, errors.New("is not a valid hash of crypt")
	}
	c.salt, c.sum = fields[0], fields[1]
	return c, nil
}

func (c cryptSecret) matches(password string) bool {
	fits := len(password) <= maxCryptPassword
	if !fits {
		password = password[:maxCryptPassword]
	}
	return subtle.ConstantTimeCompare([]byte(c.hash(password)), []byte(c.sum)) == 1 && fits
}

func (c cryptSecret) work() work {
	if c.long {
		return work{kind: "SHA-512 crypt", rounds: c.rounds}
	}
	return work{kind: "SHA-256 crypt", rounds: c.rounds}
}

// hash hashes a password with the parameters of c. The letters are those of the specification.
func (c cryptSecret) hash(password string) string {
	key, salt, h := []byte(password), []byte(c.salt), sha256.New()
	if c.long {
		h = sha512.New()
	}
	b := sum(h, key, salt, key)
	p := repeat(sum(h, times(key, len(key))...), len(key))
	a := c.start(h, key, salt, b)
	s := repeat(sum(h, times(salt, 16+int(a[0]))...), len(salt))
	for i := range c.rounds {
		h.Reset()
		if i%2 == 1 {
			h.Write(p)
		} else {
			h.Write(a)
		}
		if i%3 != 0 {
			h.Write(s)
		}
		if i%7 != 0 {
			h.Write(p)
		}
		if i%2 == 1 {
			h.Write(a)
		} else {
			h.Write(p)
		}
		a = h.Sum(a[:0])
	}
	return c.encode(a)
}

// start returns digest A, from which the rounds begin.
func (cryptSecret) start(h hash.Hash, key, salt, b []byte) []byte {
	h.Reset()
	h.Write(key)
	h.Write(salt)
	h.Write(repeat(b, len(key)))
	for n := len(key); n > 0; n >>= 1 {
		if n%2 == 1 {
			h.Write(b)
		} else {
			h.Write(key)
		}
	}
	return h.Sum(nil)
}

// cryptAlphabet has the digits of crypt's base64.
const cryptAlphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// encode encodes a digest in the order of the specification: groups of three bytes from the thirds of the digest, in which the
// thirds change places from group to group.
func (c cryptSecret) encode(d []byte) string {
	var text []byte
	group := func(high, middle, low byte, digits int) {
		for n := uint(high)<<16 | uint(middle)<<8 | uint(low); digits > 0; digits-- {
			text = append(text, cryptAlphabet[n%64])
			n /= 64
		}
	}
	third := len(d) / 3
	i, j, k := 0, third, 2*third
	for range third {
		group(d[i], d[j], d[k], 4)
		if c.long {
			i, j, k = j+1, k+1, i+1
		} else {
			i, j, k = k+1, i+1, j+1
		}
	}
	if c.long {
		group(0, 0, d[63], 2)
	} else {
		group(0, d[31], d[30], 3)
	}
	return string(text)
}

// sum returns the digest of the parts, one after the other.
func sum(h hash.Hash, parts ...[]byte) []byte {
	h.Reset()
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}

// times returns n times the same text.
func times(text []byte, n int) [][]byte {
	list := make([][]byte, n)
	for i := range list {
		list[i] = text
	}
	return list
}

// repeat returns d, repeated and cut to a length.
func repeat(d []byte, length int) []byte {
	text := make([]byte, 0, length+len(d))
	for len(text) < length {
		text = append(text, d...)
	}
	return text[:length]
}
