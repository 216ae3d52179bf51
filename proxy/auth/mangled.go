package auth

import (
	"errors"
	"regexp"
	"strings"
)

// errMangled refuses a password that is probably the rest of a hash after a shell expanded its $ signs.
var errMangled = errors.New("looks like a hash after a shell expanded its $ signs as variables: put it in single quotes, " +
	"or write each $ as $$ in a Compose file")

// errQuoted refuses a hash in quotes.
var errQuoted = errors.New("looks like a hash in quotes, which are taken as part of it here: remove them")

// The rest of a hash after a shell has replaced $argon2id, $v, $m, $2, $1 and so on by nothing, or $0 by its own name: the
// parameters of argon2, or the version and cost of a bcrypt hash and its end, from the first character that cannot be in
// the name of a variable.
var (
	restOfArgon  = regexp.MustCompile(`(^|[$,=0-9m])=?[0-9]+,t=[0-9]+,p=[0-9]+|^(\$?argon2id)?\$?v?=19[$=]|^argon2id\$`)
	restOfBcrypt = regexp.MustCompile(`^(\$?2?[aby]\$?[0-9]{1,2}|[aby]` + shell + `[4-9])(\$?[./][./A-Za-z0-9]{0,52}|(` + shell +
		`|\$)?[./A-Za-z0-9]{50,53})?$|^[aby](\$?[./][./A-Za-z0-9]{12,52}|[./A-Za-z0-9]{52})$`)
)

// shell matches the value of $0.
const shell = `(-?|/\S*/)[a-z]{0,3}sh`

// checkMangled refuses a password that looks like a hash that a shell has changed, or that is in quotes.
func checkMangled(text string) error {
	if inner := strings.Trim(text, `"'`); inner != text && isHash.MatchString(inner) {
		return errQuoted
	}
	if restOfArgon.MatchString(text) || restOfBcrypt.MatchString(text) {
		return errMangled
	}
	return nil
}
