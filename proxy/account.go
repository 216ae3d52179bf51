package proxy

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math"
	"net/netip"
	"time"
)

// An Attempt is one try to log in.
type Attempt struct {
	User, Password string
	Certificate    *x509.Certificate // the client's, verified; nil = none
	PublicKey      []byte            // the client's, verified, in the format of RFC 4253, section 6.6; nil = none
	Certified      bool              // PublicKey is a certificate for User, of an authority that the server trusts
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

// Errors of logins whose proof is right, but needs another one beside it. The next Attempt has both.
var (
	ErrNeedsPassword  = errors.New("a password is needed beside the public key")
	ErrNeedsPublicKey = errors.New("a public key is needed beside the password")
)

// ErrUnknownUser means that a source of users does not know the user, so that the next source may be asked.
var ErrUnknownUser = errors.New("unknown user")

// A LoginMethod is the kind of proof that a client logs in with.
type LoginMethod string

const (
	ByPassword    LoginMethod = "password"
	ByCertificate LoginMethod = "certificate"
	ByPublicKey   LoginMethod = "publickey"
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

	// Space returns what the user may still upload, for the user to see. It may wait some seconds until that is known, and fails
	// with ErrNotCounted if it is not. nil = there is no limit.
	Space func(context.Context) (Space, error)

	// Release is called once, when the session no longer uses the account. nil = nothing is called.
	Release func()
}

// Leave tells the source of the account that the session does not use it any more.
func (a Account) Leave() {
	if a.Release != nil {
		a.Release()
	}
}

// Space describes limits of what a user may upload. A limit of 0 means that there is none.
type Space struct {
	FileSize int64 // bytes of a file

	DailyUpload   int64 // bytes a day, in UTC
	UploadedToday int64

	Size, Files             int64 // bytes and number of all stored files
	StoredSize, StoredFiles int64
}

// Left returns the bytes that may still be uploaded to new files, if none is too large; limited is false if there is no limit.
func (s Space) Left() (bytes int64, limited bool) {
	bytes = math.MaxInt64
	if s.DailyUpload > 0 {
		bytes, limited = s.DailyUpload-s.UploadedToday, true
	}
	if s.Size > 0 {
		bytes, limited = min(bytes, s.Size-s.StoredSize), true
	}
	if s.Files > 0 && s.StoredFiles >= s.Files {
		bytes, limited = 0, true
	}
	return max(bytes, 0), limited
}

// Limits are the limits of a user. 0 means the limit of the server.
type Limits struct {
	Sessions  int // at a time
	Transfers int // uploads and downloads at a time; the server has no limit

	Until time.Time // when the session ends, see Sessions.EndExpired
}
