package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// setPassword reads the hash of a password. No message contains it.
func setPassword(s scope, d *draft, n ast.Node) error {
	text, err := s.plainText(n)
	switch {
	case err != nil:
		return err
	case text == "any":
		d.AnyPassword = true
		return nil
	case text == "":
		return errors.New("must not be empty: " + s.hashAdvice(d.Name))
	case !strings.HasPrefix(text, "$"):
		return errors.New("must be a hash, not the password itself: " + s.hashAdvice(d.Name))
	}
	if err := CheckHash(text); err != nil {
		return fmt.Errorf("%w: %s", err, s.hashAdvice(d.Name))
	}
	d.Password = Secret(text)
	return nil
}

// hashAdvice says how to make a hash, for a mistake that this cures.
func (s scope) hashAdvice(name string) string {
	s.unhashed++
	if s.isAnswer {
		return "`s3ftpd passwd` makes one; an answer needs no password"
	}
	if name == "" {
		name = "NAME"
	}
	return "`s3ftpd passwd --users " + shellWord(s.file) + " --name " + shellWord(name) + "` asks for the password and writes its hash"
}

// shellWord quotes a word for a shell where it needs quotes.
func shellWord(word string) string {
	if word != "" && strings.Trim(word, hostBytes+"./@+,:") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// The forms of hashes.
var (
	bcryptHash = regexp.MustCompile(`^\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}$`)
	shaHash    = regexp.MustCompile(`^\$(5|6)\$(rounds=[1-9][0-9]{3,5}\$)?([!-#%-9;-~]{1,16})\$([./A-Za-z0-9]{43}|[./A-Za-z0-9]{86})$`)
	argonHash  = regexp.MustCompile(`^\$argon2id\$v=19\$m=([0-9]{1,7}),t=([0-9]{1,2}),p=([0-9]{1,3})\$([^$]+)\$([^$]+)$`)
)

// CheckHash returns an error if a text is not the hash of a password: argon2id, bcrypt, or crypt's $5$ or $6$.
func CheckHash(text string) error {
	kind, _, _ := strings.Cut(strings.TrimPrefix(text, "$"), "$")
	switch kind {
	case "argon2id":
		return checkArgon(text)
	case "2a", "2b", "2y":
		if !bcryptHash.MatchString(text) {
			return errors.New("is not a valid bcrypt hash")
		}
		return nil
	case "5", "6":
		m := shaHash.FindStringSubmatch(text)
		if m == nil || strings.HasPrefix(m[3], "rounds=") || (m[1] == "5") != (len(m[4]) == 43) {
			return errors.New("is not a valid hash of crypt's $" + kind + "$")
		}
		return nil
	}
	return errors.New("has a hash of an unsupported kind: must be argon2id, bcrypt, $5$ or $6$")
}

// Limits of the parameters of argon2id hashes, those of proxy/auth.
const (
	maxArgonMemory = 1 << 20 // KiB
	maxArgonTime   = 64
	minArgonBytes  = 8 // of salt and key
)

func checkArgon(text string) error {
	m := argonHash.FindStringSubmatch(text)
	if m == nil {
		return errors.New("is not a valid argon2id hash")
	}
	memory, _ := strconv.Atoi(m[1])
	time, _ := strconv.Atoi(m[2])
	threads, _ := strconv.Atoi(m[3])
	salt, err1 := base64.RawStdEncoding.Strict().DecodeString(m[4])
	hash, err2 := base64.RawStdEncoding.Strict().DecodeString(m[5])
	switch {
	case err2 == nil && len(hash)%4 != 0:
		return errors.New("is an argon2id hash that was cut off")
	case errors.Join(err1, err2) != nil || len(salt) < minArgonBytes || len(hash) < minArgonBytes:
		return errors.New("is not a valid argon2id hash")
	case time < 1 || threads < 1 || threads > 255 || memory > maxArgonMemory || time > maxArgonTime:
		return errors.New("is an argon2id hash with invalid parameters: must be at most 1 GiB and 64 passes, and not 0")
	}
	return nil
}

func setPasswordFile(s scope, d *draft, n ast.Node) error {
	return plain(func(d *draft) *string { return &d.PasswordFile }, s.parseSecretFile)(s, d, n)
}

// parseSecretFile reads the name of a file that must be readable and not empty.
func (s scope) parseSecretFile(name string) (string, error) {
	if name == "" || !isPrintable(name) {
		return "", hidden{errors.New("must be a file name")}
	}
	return name, s.check("secret", name, checkSecretFile)
}

// check calls check for a file of a kind that a user names, once for each file. If the options are unknown, the files are not looked
// at.
func (r *usersReader) check(kind, name string, check func(name string) error) error {
	if r.options == nil {
		return nil
	}
	key := kind + " " + name
	err, known := r.checked[key]
	if !known {
		err = check(name)
		r.checked[key] = err
	}
	return err
}

func checkSecretFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return unreadable(name, err)
	}
	defer f.Close()
	switch _, err = f.Read(make([]byte, 1)); {
	case err == io.EOF:
		return errors.New("must contain a secret, but is empty")
	case err != nil:
		return withoutPath(err)
	}
	return nil
}

// factors are the means of login that second-factor can combine, and the pairs of them.
var (
	factors     = []string{"password", "certificate", "public-key"}
	factorPairs = [][]string{{"password", "certificate"}, {"password", "public-key"}}
)

func setFactors(s scope, d *draft, n ast.Node) error {
	values, err := listOf(s, n, "second-factor", oneOf(factors...))
	if err == nil {
		values, err = ordered(values, factors)
	}
	if err != nil {
		return err
	}
	for _, pair := range factorPairs {
		if slices.Equal(values, pair) {
			d.SecondFactor = pair
			return nil
		}
	}
	return errors.New("must be [password, certificate] or [password, public-key]; where one of them is enough, it must be removed")
}

// checkLogin reports a user who cannot log in.
func (s scope) checkLogin(d *draft) {
	password, hasPassword := d.keys["password"]
	file, hasFile := d.keys["password-file"]
	keysFile, hasKeysFile := d.keys["public-keys-file"]
	_, hasKeys := d.keys["public-keys"]
	if hasPassword && !hasFile {
		d.PasswordFile = "" // of the defaults
	}
	if hasKeys && !hasKeysFile {
		d.PublicKeysFile = ""
	}
	switch {
	case hasPassword && hasFile:
		s.mistakeAt(file, "password-file", "must not be combined with password")
	case hasKeys && hasKeysFile:
		s.mistakeAt(keysFile, "public-keys-file", "must not be combined with public-keys")
	case d.AnyPassword && d.Name != anonymous:
		s.mistakeAt(password, `password "any"`, "must be of the user anonymous only, since every password is right: %s", s.hashAdvice(d.Name))
	case !s.valid(d, "password", "password-file", "public-keys", "public-keys-file", "certificate", "second-factor"), d.Disabled: // what is missing can follow
	default:
		s.checkProofs(d)
	}
}

// checkProofs reports a user who has too few of password, certificate and public keys to log in.
func (s scope) checkProofs(d *draft) {
	hasPassword := d.AnyPassword || d.Password != "" || d.PasswordFile != ""
	hasKeys := len(d.PublicKeys) > 0 || d.PublicKeysFile != ""
	certified := s.options != nil && s.options.SFTPUserCA != "" // a certificate replaces the keys
	second := ""
	if len(d.SecondFactor) > 0 {
		second = d.SecondFactor[1]
	}
	switch {
	case second != "" && (d.AnyPassword || !hasPassword) && !s.isAnswer:
		s.mistakeAt(s.spotOf(d, "second-factor"), "second-factor", "requires a password: %s", s.hashAdvice(d.Name))
	case second == "certificate" && d.Certificate == "":
		s.mistakeAt(s.spotOf(d, "second-factor"), "second-factor", "requires certificate, the name in the certificate of the user")
	case second == "public-key" && !hasKeys && !certified && !s.isAnswer:
		s.mistakeAt(s.spotOf(d, "second-factor"), "second-factor", "requires public-keys or public-keys-file, the keys of the user")
	case d.Certificate != "" && s.options != nil && s.options.TLSClientCA == "":
		s.commonMistake(s.spotOf(d, "certificate"), d.Name, "certificate: requires --tls-client-ca", "set it to the file with the CAs of client certificates")
	case hasKeys && s.options != nil && s.options.SFTP == "" && (second == "public-key" || !hasPassword && d.Certificate == "" && !s.isAnswer):
		key := "public-keys"
		if d.PublicKeysFile != "" {
			key = "public-keys-file"
		}
		s.commonMistake(s.spotOf(d, key), d.Name, "public-keys: requires --sftp", "set it to the address for SFTP, e.g. :22; FTP has no public keys")
	case hasPassword || hasKeys || certified || d.Certificate != "" || s.isAnswer:
	default:
		s.mistakeAt(s.spotOf(d, "name"), "password", "is missing: %s; or set password-file, public-keys, certificate or disabled: true", s.hashAdvice(d.Name))
	}
}
