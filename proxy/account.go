package proxy

import (
	"crypto/x509"
	"net/netip"
)

// Attempt is what a client says of itself to log in.
type Attempt struct {
	User, Password string
	Certificate    *x509.Certificate // of the client, verified; nil = none
	Method         LoginMethod
	Protocol       string // e.g. "ftp"
	Session        string // its ID
	Peer           netip.AddrPort
}

// A LoginMethod is what a client proves with who it is.
type LoginMethod string

const (
	ByPassword    LoginMethod = "password"
	ByCertificate LoginMethod = "certificate"
)

// An Account is what a login yields.
type Account struct {
	User        string // as whom the session counts, for limits and for the log; "" = as the client has said
	Store       Store  // of the files that the user may see as "/"
	Compat      Compat
	Home        string // the directory where the session begins; "" = "/"
	MaxSessions int    // of the user at a time; 0 = the server's limit
}
