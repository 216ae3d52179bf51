package proxy

import "crypto/tls"

// TLS is how a Server secures its connections (RFC 2228 and 4217).
type TLS struct {
	// Config returns what the next session is served with: its certificates, the least version, and whose certificates
	// clients have to show. All else in it is set by the server.
	Config func() *tls.Config

	Control     Demand // for TLS on sessions that begin in clear; Never = AUTH is refused
	DataSession Demand // for data connections to resume the TLS session of their own control connection; Never = they cannot

	// LenientClose publishes uploads whose data connection ends without close_notify, as some old clients end theirs.
	// A cut connection then looks like a whole file, if the control connection stays.
	LenientClose bool
}

// A Demand says what is asked of a client.
type Demand int

const (
	Optional Demand = iota
	Required
	Never
)
