package proxy

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
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
	TLS            string // version; "" = without TLS
	Session        string // the session's ID
	Peer           netip.AddrPort
}

// Service returns "ftps" for FTP with TLS, and otherwise Protocol.
func (a Attempt) Service() string {
	if a.Protocol == "ftp" && a.TLS != "" {
		return "ftps"
	}
	return a.Protocol
}

// Subject returns the whole subject of the client's certificate in the notation of RFC 4514, or "" if there is none.
func (a Attempt) Subject() string {
	if a.Certificate == nil {
		return ""
	}
	return SubjectOf(a.Certificate).String()
}

// SubjectOf returns the whole subject of a certificate, or nil if it is invalid.
func SubjectOf(c *x509.Certificate) pkix.RDNSequence {
	var whole pkix.RDNSequence
	if rest, err := asn1.Unmarshal(c.RawSubject, &whole); err != nil || len(rest) > 0 {
		return nil
	}
	return whole
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
	Place  string // identifies what "/" shows; when it changes, a session begins in Home again
	Compat Compat
	Home   string // the directory in which the session starts; "" = "/"
	Limits Limits

	// Anonymous says that any password logs the user in.
	Anonymous bool

	// Now returns the account as it is now, nil if it is still the same as at the last call or at the login. The error is not nil
	// if the user may have no sessions any more. It is called before each command of the session. nil = the account never changes.
	Now func() (*Account, error)

	// Release is called once, when the session no longer uses the account. nil = nothing is called.
	Release func()
}

// Limits are the limits of a user. 0 means the limit of the server.
type Limits struct {
	Sessions  int // at a time
	Transfers int // uploads and downloads at a time; the server has no limit

	Until time.Time // when the session ends, see Sessions.EndExpired
}
