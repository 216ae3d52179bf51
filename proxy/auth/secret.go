package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// A secret is a password as it is kept.
type secret interface {
	// matches tells whether a password is this one. The error is that of turns.
	matches(ctx context.Context, turns *Turns, password string) (bool, error)
}

// isHash matches whatever is written like a hash, and then has to be one that we know.
var isHash = regexp.MustCompile(`^\$([a-z0-9-]+)\$`)

// parse reads a password or a hash.
func parse(text string) (secret, error) {
	kind := ""
	if m := isHash.FindStringSubmatch(text); m != nil {
		kind = m[1]
	}
	switch kind {
	case "":
		switch {
		case text == "":
			return nil, errors.New("is empty: a password is wanted")
		case hasControl(text):
			return nil, errors.New("has control characters, which no FTP client can send")
		}
		return plain(text), checkEaten(text)
	case "argon2id":
		return parseArgon(text)
	case "2a", "2b", "2y":
		if _, err := bcrypt.Cost([]byte(text)); err != nil || len(text) != bcryptLen {
			return nil, errors.New("looks like a bcrypt hash, and is none")
		}
		return bcrypted(text), nil
	}
	return nil, fmt.Errorf("looks like a hash of the kind %q; argon2id and bcrypt are known", kind)
}

// plain is a password as it is typed.
type plain string

func (p plain) matches(_ context.Context, _ *Turns, password string) (bool, error) {
	return same(password, string(p)), nil
}

// bcrypted is a bcrypt hash.
type bcrypted string

const (
	bcryptLen = 60 // bytes of a hash
	bcryptMax = 72 // bytes of a password that count; longer ones are refused, not cut
)

func (h bcrypted) matches(ctx context.Context, turns *Turns, password string) (bool, error) {
	return turns.hash(ctx, func() bool {
		fits := len(password) <= bcryptMax
		return bcrypt.CompareHashAndPassword([]byte(h), []byte(password)) == nil && fits
	})
}

// argon is an argon2id hash (RFC 9106).
type argon struct {
	memory    uint32 // KiB
	time      uint32
	threads   uint8
	salt, key []byte
}

// Hash makes the argon2id hash of a password, in the PHC notation that Gate understands: 19 MiB of memory, two
// passes, one thread, a random salt. It refuses a password that could never be sent.
func Hash(password string) (string, error) {
	if password == "" || hasControl(password) {
		return "", errors.New("the password is empty or has control characters, which no FTP client can send")
	}
	a := argon{memory: 19 << 10, time: 2, threads: 1, salt: make([]byte, 16), key: make([]byte, 32)}
	rand.Read(a.salt)
	a.key = a.of(password)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, a.memory, a.time, a.threads,
		base64.RawStdEncoding.EncodeToString(a.salt), base64.RawStdEncoding.EncodeToString(a.key)), nil
}

// Bounds on what a hash may ask for: a gigabyte, and bytes enough to mean something.
const (
	argonMemory = 1 << 20
	argonTime   = 64
	argonBytes  = 8
)

func parseArgon(text string) (secret, error) {
	var a argon
	var version int
	fields := strings.Split(text, "$")
	if len(fields) != 6 {
		return nil, errors.New("looks like an argon2id hash, and is none")
	}
	_, err1 := fmt.Sscanf(fields[2]+" "+fields[3], "v=%d m=%d,t=%d,p=%d", &version, &a.memory, &a.time, &a.threads)
	var err2, err3 error
	a.salt, err2 = base64.RawStdEncoding.Strict().DecodeString(fields[4])
	a.key, err3 = base64.RawStdEncoding.Strict().DecodeString(fields[5])
	switch {
	case errors.Join(err1, err2, err3) != nil || version != argon2.Version || len(a.salt) < argonBytes || len(a.key) < argonBytes:
		return nil, errors.New("looks like an argon2id hash, and is none")
	case a.time < 1 || a.threads < 1 || a.memory > argonMemory || a.time > argonTime:
		return nil, errors.New("is an argon2id hash that asks for too much, or for nothing")
	}
	return a, nil
}

func (a argon) matches(ctx context.Context, turns *Turns, password string) (bool, error) {
	return turns.hash(ctx, func() bool { return subtle.ConstantTimeCompare(a.of(password), a.key) == 1 })
}

// of hashes a password the way this hash was made.
func (a argon) of(password string) []byte {
	return argon2.IDKey([]byte(password), a.salt, a.time, a.memory, a.threads, uint32(len(a.key)))
}
