package auth

import (
	"cmp"
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

// A secret is a password in plain text or a hash.
type secret interface {
	// matches reports whether password is right.
	matches(password string) bool
	// work returns the cost of matches.
	work() work
}

// A work is the cost of checking a password. Hashes with equal work take the same time and memory. The zero value is the work
// of a password in plain text, which costs nothing.
type work struct {
	kind    string // of hash, e.g. "argon2id"
	rounds  int    // rounds, passes or cost, as the kind has it
	memory  int64  // bytes
	threads uint8
}

// compare orders works, the more expensive ones last.
func (w work) compare(other work) int {
	return cmp.Or(cmp.Compare(w.memory, other.memory), cmp.Compare(w.rounds, other.rounds), cmp.Compare(w.kind, other.kind),
		cmp.Compare(w.threads, other.threads))
}

// isHash matches the beginning of a hash. A secret with it must be a hash of a known kind.
var isHash = regexp.MustCompile(`^\$([a-z0-9-]+)\$`)

// parse parses a password or a hash.
func parse(text string) (secret, error) {
	kind := ""
	if m := isHash.FindStringSubmatch(text); m != nil {
		kind = m[1]
	}
	switch kind {
	case "":
		switch {
		case text == "":
			return nil, errors.New("is empty")
		case hasControl(text):
			return nil, errors.New("has control characters, which no FTP client can send")
		}
		return plainSecret(text), checkMangled(text)
	case "argon2id":
		return parseArgon(text)
	case "2a", "2b", "2y":
		if _, err := bcrypt.Cost([]byte(text)); err != nil || len(text) != bcryptLen {
			return nil, errors.New("is not a valid bcrypt hash")
		}
		return bcryptSecret(text), nil
	case "5", "6":
		return parseCrypt(text)
	}
	return nil, fmt.Errorf("has a hash of the unsupported kind %q: must be argon2id, bcrypt, or $5$ or $6$ of crypt", kind)
}

// plainSecret is a password in plain text.
type plainSecret string

func (p plainSecret) matches(password string) bool { return same(password, string(p)) }

func (plainSecret) work() work { return work{} }

// bcryptSecret is a bcrypt hash.
type bcryptSecret string

const (
	bcryptLen = 60 // bytes of a hash
	bcryptMax = 72 // bytes of a password that bcrypt uses; longer passwords are refused, not truncated
)

func (h bcryptSecret) matches(password string) bool {
	fits := len(password) <= bcryptMax
	return bcrypt.CompareHashAndPassword([]byte(h), []byte(password)) == nil && fits
}

func (h bcryptSecret) work() work {
	cost, _ := bcrypt.Cost([]byte(h)) // parse has checked it
	return work{kind: "bcrypt", rounds: cost}
}

// argonSecret is an argon2id hash (RFC 9106).
type argonSecret struct {
	memory    uint32 // KiB
	time      uint32
	threads   uint8
	salt, key []byte
}

// Hash returns the argon2id hash of a password in the PHC format: 19 MiB of memory, two passes, one thread, a random salt. It
// refuses passwords that FTP cannot send.
func Hash(password string) (string, error) {
	if password == "" || hasControl(password) {
		return "", errors.New("the password is empty or has control characters, which no FTP client can send")
	}
	a := defaultHash()
	rand.Read(a.salt)
	a.key = a.hash(password)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, a.memory, a.time, a.threads,
		base64.RawStdEncoding.EncodeToString(a.salt), base64.RawStdEncoding.EncodeToString(a.key)), nil
}

// defaultHash returns a hash with the parameters of Hash, of no password.
func defaultHash() argonSecret {
	return argonSecret{memory: 19 << 10, time: 2, threads: 1, salt: make([]byte, 16), key: make([]byte, 32)}
}

// Limits of the parameters of a hash: at most 1 GiB of memory and 64 passes, at least 8 bytes of salt and of key.
const (
	maxArgonMemory = 1 << 20 // KiB
	maxArgonTime   = 64
	minArgonBytes  = 8
)

func parseArgon(text string) (secret, error) {
	var a argonSecret
	var version int
	fields := strings.Split(text, "$")
	if len(fields) != 6 {
		return nil, errors.New("is not a valid argon2id hash")
	}
	_, err1 := fmt.Sscanf(fields[2]+" "+fields[3], "v=%d m=%d,t=%d,p=%d", &version, &a.memory, &a.time, &a.threads)
	var err2, err3 error
	a.salt, err2 = base64.RawStdEncoding.Strict().DecodeString(fields[4])
	a.key, err3 = base64.RawStdEncoding.Strict().DecodeString(fields[5])
	switch {
	case err3 == nil && len(a.key)%4 != 0: // as good as all hashes have a multiple
		return nil, errors.New("is an argon2id hash that was cut off")
	case errors.Join(err1, err2, err3) != nil || version != argon2.Version || len(a.salt) < minArgonBytes || len(a.key) < minArgonBytes:
		return nil, errors.New("is not a valid argon2id hash")
	case a.time < 1 || a.threads < 1 || a.memory > maxArgonMemory || a.time > maxArgonTime:
		return nil, errors.New("is an argon2id hash with invalid parameters: must be at most 1 GiB and 64 passes, and not 0")
	}
	return a, nil
}

func (a argonSecret) matches(password string) bool {
	return subtle.ConstantTimeCompare(a.hash(password), a.key) == 1
}

func (a argonSecret) work() work {
	return work{kind: "argon2id", rounds: int(a.time), memory: int64(a.memory) << 10, threads: a.threads}
}

// hash hashes a password with the parameters of a.
func (a argonSecret) hash(password string) []byte {
	return argon2.IDKey([]byte(password), a.salt, a.time, a.memory, a.threads, uint32(len(a.key)))
}
