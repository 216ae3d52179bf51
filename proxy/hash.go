package proxy

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"hash/crc32"
)

// Algorithms returns the algorithms of [Store.Sum], by their names in IANA's registry of hash functions.
func Algorithms() []string { return []string{"CRC32", "MD5", "SHA-1", "SHA-256", "SHA-512"} }

// NewHash returns a new hash of one of the [Algorithms], or nil for any other name.
func NewHash(algorithm string) hash.Hash {
	switch algorithm {
	case "CRC32":
		return crc32.NewIEEE()
	case "MD5":
		return md5.New()
	case "SHA-1":
		return sha1.New()
	case "SHA-256":
		return sha256.New()
	case "SHA-512":
		return sha512.New()
	}
	return nil
}
