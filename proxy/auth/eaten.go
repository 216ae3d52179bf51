package auth

import (
	"errors"
	"regexp"
	"strings"
)

// errEaten is why a password is refused that was a hash, most likely, before a shell saw it.
var errEaten = errors.New("looks like a hash whose $ signs a shell took for variables: put it in single quotes, " +
	"or write each $ as $$ in a Compose file")

// errQuoted is why a hash is refused that has quotes around it.
var errQuoted = errors.New("looks like a hash in quotes: this place takes the quotes for a part of it, so leave them out")

// What is left of a hash when a shell has put nothing, or $0, in the place of $argon2id, $v, $m, $2, $1 and so on: the parameters
// of argon2, or a letter, a digit, and the end of a bcrypt hash from a character on that no name of a variable has.
var (
	restOfArgon  = regexp.MustCompile(`(^|[$,=0-9m])=?[0-9]+,t=[0-9]+,p=[0-9]+|^(\$?argon2id)?\$?v?=19[$=]|^argon2id\$`)
	restOfBcrypt = regexp.MustCompile(`^(\$?2?[aby]\$?[0-9]{1,2}|[aby]` + shell + `[4-9])(\$?[./][./A-Za-z0-9]{0,52}|(` + shell +
		`|\$)?[./A-Za-z0-9]{50,53})?$|^[aby](\$?[./][./A-Za-z0-9]{12,52}|[./A-Za-z0-9]{52})$`)
)

// shell matches what $0 is.
const shell = `(-?|/\S*/)[a-z]{0,3}sh`

// checkEaten refuses a password that looks like what a shell, or quotes, have made of a hash.
func checkEaten(text string) error {
	if inner := strings.Trim(text, `"'`); inner != text && isHash.MatchString(inner) {
		return errQuoted
	}
	if restOfArgon.MatchString(text) || restOfBcrypt.MatchString(text) {
		return errEaten
	}
	return nil
}
