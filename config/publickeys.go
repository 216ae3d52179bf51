package config

import (
	"bytes"
	"crypto/ecdh"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// A PublicKey is a public key of a user.
type PublicKey struct {
	Digest [sha256.Size]byte // of the key in the format of RFC 4253, section 6.6
	From   []netip.Prefix    // the client's networks; empty = all
}

// Fingerprint returns the fingerprint of the key as OpenSSH shows it: SHA256:...
func (k PublicKey) Fingerprint() string {
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(k.Digest[:])
}

const (
	maxKeysFile = 1 << 20 // bytes of a file with public keys
	minRSABits  = 2048    // of users' keys
	maxRSABits  = 16384   // the most that SSH's library accepts
)

// ReadPublicKeys returns the text of a file with public keys.
func ReadPublicKeys(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKeysFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxKeysFile:
		return nil, fmt.Errorf("must be at most %s long", SizeText(maxKeysFile))
	}
	return utf8Text(text)
}

// ParsePublicKeys reads the text of a file with public keys, one per line as in OpenSSH's authorized_keys. Invalid lines are in
// mistakes, and the keys of the other lines are returned.
func ParsePublicKeys(text []byte) (keys []PublicKey, mistakes Mistakes) {
	number := 0
	lines := map[[sha256.Size]byte]int{}
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		key, err := parsePublicKey(string(line))
		if first, exists := lines[key.Digest]; err == nil && exists {
			err = fmt.Errorf("must be in the file only once; it is also in line %d", first)
		}
		if err != nil {
			mistakes.add(fmt.Sprintf("line %d", number), "%v", err)
			if errors.Is(err, errPrivateKey) {
				break // the other lines are parts of it
			}
			continue
		}
		lines[key.Digest] = number
		keys = append(keys, key)
	}
	return keys, mistakes
}

// checkAuthorizedKeysFile returns an error if a file with public keys cannot be read, has none, or has an invalid line.
func checkAuthorizedKeysFile(name string) error { return checkKeysFile(name, ParsePublicKeys) }

// checkKeysFile is checkAuthorizedKeysFile with the function that parses the file.
func checkKeysFile(name string, parse func(text []byte) ([]PublicKey, Mistakes)) error {
	text, err := ReadPublicKeys(name)
	if err != nil {
		return withoutPath(err)
	}
	keys, mistakes := parse(text)
	switch {
	case len(mistakes) == 1:
		return errors.New(mistakes[0])
	case len(mistakes) > 1:
		return fmt.Errorf("%s (and %d more)", mistakes[0], len(mistakes)-1)
	case len(keys) == 0:
		return errors.New("must contain a public key, but has none")
	}
	return nil
}

// setPublicKeys reads a list of public keys. A text of several lines has a key in each. No message contains a text, which may be a
// private key.
func setPublicKeys(s scope, d *draft, n ast.Node) error {
	nodes, err := elements(n)
	if err != nil {
		return err
	}
	var keys []PublicKey
	before := s.count
	for _, n := range nodes {
		text, err := s.plainText(n)
		if err != nil {
			s.mistake(n, "public-keys: %v", err)
			continue
		}
		for line := range strings.Lines(text) {
			key, err := parsePublicKey(strings.TrimSpace(line))
			if err == nil && slices.ContainsFunc(keys, func(other PublicKey) bool { return other.Digest == key.Digest }) {
				err = fmt.Errorf("must have the key %s only once", key.Fingerprint())
			}
			if err != nil {
				s.mistake(n, "public-keys: %v", err)
				break
			}
			key.From = s.shareNetworks(key.From)
			keys = append(keys, key)
		}
	}
	if s.count > before {
		return errReported
	}
	d.PublicKeys = slices.Clip(keys)
	return nil
}

func setPublicKeysFile(s scope, d *draft, n ast.Node) error {
	return plain(func(d *draft) *string { return &d.PublicKeysFile }, func(name string) (string, error) {
		if name == "" || !isPrintable(name) {
			return "", hidden{errors.New("must be a file name")}
		}
		if _, err := parsePublicKey(name); err == nil {
			return "", hidden{errors.New("must be the name of a file; keys must be in public-keys")}
		}
		return name, s.check("keys", name, checkAuthorizedKeysFile)
	})(s, d, n)
}

// Errors about texts that are not public keys. They do not contain the text, which may be a private key.
var (
	errPublicKey  = errors.New("must be a public key, e.g. ssh-ed25519 AAAA... alice@host")
	errPrivateKey = errors.New("must be the public key, not the private one: it is in the file whose name ends with .pub")
)

// parsePublicKey reads a public key in the format of OpenSSH's authorized_keys: options, type, base64, comment. Of the options only
// restrict and from are allowed.
func parsePublicKey(line string) (key PublicKey, err error) {
	switch {
	case strings.Contains(line, "PRIVATE KEY") || strings.HasPrefix(line, "PuTTY-User-Key-File"):
		return key, errPrivateKey
	case strings.HasPrefix(line, "---- BEGIN SSH2 PUBLIC KEY"):
		return key, errors.New("must be in OpenSSH's format: `ssh-keygen -i -f FILE` converts it")
	}
	options, kind, rest := splitPublicKey(line)
	text, comment, _ := strings.Cut(rest, " ")
	if kind == "" || text == "" {
		return key, errPublicKey
	}
	if key.From, err = parseKeyOptions(options); err != nil {
		return key, err
	}
	blob, err := base64.StdEncoding.Strict().DecodeString(text)
	switch {
	case err != nil:
		return key, fmt.Errorf("has a %s key that is not valid base64: it may have been cut off", kind)
	case secondKey.MatchString(comment):
		return key, errors.New("must be one key, but has another one behind it: keys must be in lines of their own, or in brackets")
	}
	key.Digest = sha256.Sum256(blob)
	return key, checkPublicKey(kind, blob)
}

var (
	// keyType matches words that are probably types of keys, also of those that are not supported.
	keyType = regexp.MustCompile(`^(ssh|ecdsa|sk)-[a-z0-9@.-]+$`)
	// secondKey matches a comment that has a key.
	secondKey = regexp.MustCompile(`(ssh|ecdsa|sk)-[a-z0-9@.-]+ AAAA`)
)

// splitPublicKey splits a line of authorized_keys. The type is "" if there is none.
func splitPublicKey(line string) (options, kind, rest string) {
	line = strings.ReplaceAll(line, "\t", " ")
	kind, rest, _ = strings.Cut(line, " ")
	if keyType.MatchString(kind) {
		return "", kind, strings.TrimLeft(rest, " ")
	}
	end := unquoted(line, ' ')
	options, line = line[:end], strings.TrimLeft(line[end:], " ")
	if kind, rest, _ = strings.Cut(line, " "); !keyType.MatchString(kind) {
		return options, "", ""
	}
	return options, kind, strings.TrimLeft(rest, " ")
}

// unquoted returns the index of the first byte b in a text that is not between quotes, or its length.
func unquoted(text string, b byte) int {
	quoted := false
	for i := range len(text) {
		switch {
		case text[i] == '"' && (i == 0 || text[i-1] != '\\'):
			quoted = !quoted
		case text[i] == b && !quoted:
			return i
		}
	}
	return len(text)
}

// parseKeyOptions reads the options of a key in authorized_keys, and returns the networks of from.
func parseKeyOptions(text string) (from []netip.Prefix, err error) {
	seen := map[string]bool{}
	for text != "" {
		end := unquoted(text, ',')
		option := text[:end]
		text = strings.TrimPrefix(text[end:], ",")
		name, value, hasValue := strings.Cut(option, "=")
		name = strings.ToLower(name)
		switch {
		case seen[name]:
			return nil, fmt.Errorf("must have the option %s only once", name)
		case name == "restrict" && !hasValue:
		case name == "from":
			if from, err = parseFrom(value); err != nil {
				return nil, err
			}
		case !isKey.MatchString(name): // it may be a part of a key
			return nil, errPublicKey
		default:
			return nil, fmt.Errorf("has the option %s: only restrict and from are supported; restrict is what holds in any case", name)
		}
		seen[name] = true
	}
	return from, nil
}

// parseFrom reads the value of the option from: addresses and networks in quotes.
func parseFrom(value string) ([]netip.Prefix, error) {
	text, isQuoted := strings.CutPrefix(value, `"`)
	text, ends := strings.CutSuffix(text, `"`)
	if !isQuoted || !ends || text == "" {
		return nil, errors.New(`from: must have a value in quotes, e.g. from="192.0.2.0/24,2001:db8::/32"`)
	}
	networks, err := parseNetworks(text)
	if err != nil {
		err = fmt.Errorf("from: %w", err)
		if strings.ContainsAny(text, "!?") {
			err = errors.New(`from: must be networks without ! and ?, e.g. from="192.0.2.0/24,2001:db8::/32"`)
		}
	}
	return networks, err
}

// curves are the curves of ECDSA keys.
var curves = map[string]ecdh.Curve{"nistp256": ecdh.P256(), "nistp384": ecdh.P384(), "nistp521": ecdh.P521()}

// checkPublicKey returns an error if a key in the format of RFC 4253, section 6.6, is not a valid one of this type.
func checkPublicKey(kind string, blob []byte) error {
	w := wire{rest: blob}
	if name := string(w.next()); name != kind {
		return fmt.Errorf("says %s, but is not a key of this type: it may have been cut off", kind)
	}
	switch kind {
	case "ssh-ed25519", "sk-ssh-ed25519@openssh.com":
		w.check(len(w.next()) == 32)
	case "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "sk-ecdsa-sha2-nistp256@openssh.com":
		name := string(w.next())
		curve, known := curves[name]
		w.check(known && strings.TrimSuffix(strings.TrimPrefix(kind, "sk-"), "@openssh.com") == "ecdsa-sha2-"+name)
		if point := w.next(); known {
			_, err := curve.NewPublicKey(point)
			w.check(err == nil)
		}
	case "ssh-rsa":
		e, n := w.number(), w.number()
		w.check(e.BitLen() > 1 && e.BitLen() <= 24 && n.BitLen() <= maxRSABits)
		if n.BitLen() < minRSABits && !w.invalid {
			return fmt.Errorf("is an RSA key of %d bits: must have at least %d", n.BitLen(), minRSABits)
		}
	default:
		return fmt.Errorf("is of the type %s: must be ssh-ed25519, ecdsa-sha2-nistp256, -384 or -521, ssh-rsa, "+
			"sk-ssh-ed25519@openssh.com or sk-ecdsa-sha2-nistp256@openssh.com", quoted(kind))
	}
	if strings.HasPrefix(kind, "sk-") {
		w.check(len(w.next()) > 0) // the application
	}
	if w.invalid || len(w.rest) > 0 {
		return fmt.Errorf("is not a valid %s key: it may have been cut off", kind)
	}
	return nil
}

// A wire reads data in the format of RFC 4251, section 5.
type wire struct {
	rest    []byte
	invalid bool
}

func (w *wire) check(valid bool) { w.invalid = w.invalid || !valid }

// next returns the next string.
func (w *wire) next() []byte {
	if len(w.rest) < 4 || uint64(binary.BigEndian.Uint32(w.rest)) > uint64(len(w.rest)-4) {
		w.rest, w.invalid = nil, true
		return nil
	}
	end := 4 + binary.BigEndian.Uint32(w.rest)
	text := w.rest[4:end]
	w.rest = w.rest[end:]
	return text
}

// number returns the next mpint, which must be positive and without superfluous zeros.
func (w *wire) number() *big.Int {
	text := w.next()
	w.check(len(text) > 0 && text[0] < 0x80 && !slices.Equal(text, []byte{0}) && !(len(text) > 1 && text[0] == 0 && text[1] < 0x80))
	return new(big.Int).SetBytes(text)
}
