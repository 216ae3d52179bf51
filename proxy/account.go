package proxy

import (
	"crypto/x509"
	"errors"
	"net/netip"
	"time"
)

// An Attempt is one try to log in.
type Attempt struct {
	User, Password string
	Certificate    *x509.Certificate // the client's, verified; nil = none
	Method         LoginMethod
	Protocol       string // e.g. "ftp"
	Session        string // the session's ID
	Peer           netip.AddrPort
}

// Errors of logins that no password can change for now.
var (
	ErrBanned        = errors.New("banned after too many failed logins")
	ErrTooManyLogins = errors.New("too many logins at the same time")
)

// A LoginMethod is the kind of proof that a client logs in with.
type LoginMethod string

const (
	ByPassword    LoginMethod = "password"
	ByCertificate LoginMethod = "certificate"
)

// An Account is the result of a login.
type Account struct {
	User   string // for limits and for the log; "" = Attempt.User
	Store  Store  // its "/" is the user's root directory
	Compat Compat
	Home   string // the directory in which the session starts; "" = "/"
	Limits Limits
}

// Limits are the limits of a user. 0 means the limit of the server.
type Limits struct {
	Sessions  int // at a time
	Transfers int // uploads and downloads at a time; the server has no limit

	Until time.Time // when the session ends, see Sessions.EndExpired
}
