// Package config reads the configuration from flags, environment variables and a YAML file.
//
// Every option is one row of a table, with its name, default, help and parser. The name gives the flag (--part-size), the
// environment variable (S3FTPD_PART_SIZE) and the key in the file (part-size:). Flags override the environment, which
// overrides the file, which overrides the defaults.
//
// Parsing is strict. Unknown names, invalid values and contradictions are all reported together, one line each, with the
// option as the user wrote it, its value, and what it must be. Secrets cannot be flags or keys in the file, and their
// values are never in a message.
//
// The package does not act on the values. It reads only the configuration file, files with secrets (to check that they are
// readable) and the kernel's memory limits.
package config

import (
	"log/slog"
	"net/netip"
	"time"
)

// The commands that take options.
const (
	Serve = "serve" // the server
	Check = "check" // has the options of Serve, and some of its own
	Demo  = "demo"  // the server with an embedded S3 store and defaults for trying it out
)

// Config is a complete, valid configuration.
type Config struct {
	FTP  string // listen address for plain FTP and AUTH TLS; empty = none
	FTPS string // listen address for implicit TLS; empty = none
	SFTP string // listen address for SFTP; empty = none; at least one of the three is set

	TLSCert, TLSKey string // both or neither
	TLSSelfSigned   bool
	TLS             string // for FTP: off, optional or required; off without a certificate
	TLSMin          string // 1.2 or 1.3
	TLSLegacy       bool   // TLS 1.0 and 1.1, regardless of TLSMin, and weak cipher suites
	TLSClientCA     string // file with the CAs of client certificates; empty = no client certificates
	TLSClientAuth   string // required or optional: client certificates, with TLSClientCA
	TLSDataSession  string // off, offer or require
	TLSUploadClose  string // strict or lenient

	SFTPHostKeys   HostKeys // only with SFTP; none only in the demo, which has its own
	SFTPUserCA     string   // file with the authorities of users' certificates; empty = none
	SFTPAlgorithms string   // default, strict or legacy
	SFTPBanner     string   // text that clients show before the login; empty = none
	AuthorizedKeys string   // file with the public keys of User; empty = none

	ProxyProtocolFrom []netip.Prefix // proxies whose connections begin with a PROXY header

	PassivePorts   Ports
	PassiveShare   string // address or ticket
	PassiveAddress []Rule // the first that matches the client applies; none = auto
	Active         bool
	ActivePort     uint16 // 0 = any
	ActivePortTLS  uint16 // the same for implicit TLS

	User            string
	Password        Secret // empty if PasswordFile is set; may be empty if UserCertificate or AuthorizedKeys is
	PasswordFile    string
	UserCertificate string // common name, or the whole subject as in RFC 4514, of a certificate that replaces the password; empty = none

	Users string // a users file, read by LoadUsers; empty = none; not with User

	BanAfter  int            // failed logins; 0 = no bans
	BanTime   time.Duration  // how long a ban lasts, and how long a failed login counts
	BanExempt []netip.Prefix // never banned

	Auth []string // sources of further users, S3Keys and LDAP, to be asked in this order; empty = none

	AuthURL           string // of the hook that is asked for further users; empty = none
	AuthURLSecretFile string // the secret that signs the requests; empty = they have no signature; only with AuthURL
	AuthURLTimeout    time.Duration

	Names       Choices[string] // utf-8, latin1, shift-jis or gbk
	Backslash   Choices[bool]
	LenientDirs Choices[bool]
	Allo        Choices[string] // auto, binding or hint

	Bucket       string // empty = each of Users and of AuthURL has its own, or with Auth the root directory is the list of buckets; only without User
	Prefix       string // empty, or ends with a slash
	Endpoint     string // a URL; empty = the SDK's
	Region       string // empty = the SDK's
	PathStyle    *bool  // nil = on with an endpoint, except for services known to reject it
	Checksum     string // auto, crc32c, crc32, sha256, md5 or none
	Payload      string // unsigned or signed
	RequestPayer bool
	Memory       int64 // bytes
	PartSize     int64 // bytes

	MaxParts     int           // 0 = the known limit of the service
	UniformParts *bool         // nil = on for services known to require it
	Resume       time.Duration // 0 = off
	RenameMax    int
	ListMtime    string // auto, s3 or metadata

	StorageClass string // empty = not sent, as for the next four
	SSE          string // AES256, aws:kms or aws:kms:dsse
	SSEKMSKey    string // only with aws:kms or aws:kms:dsse
	ACL          string // canned
	Tags         map[string]string
	Provenance   bool // user, client, session and time in the metadata of new objects

	CommitGrace  time.Duration // 0 = automatic
	IdleTimeout  time.Duration
	LoginTimeout time.Duration
	DataTimeout  time.Duration
	StallTimeout time.Duration
	S3Timeout    time.Duration
	DrainTimeout time.Duration

	MaxSessions        int
	MaxSessionsPerIP   int
	MaxSessionsPerUser int

	EventURL           string // of the receiver of events; empty = none
	EventURLSecretFile string // with the secret of their signature, with EventURL; empty = not signed

	LogLevel  slog.Level
	LogFormat string // auto, text or json

	Dir string // data directory of the demo's store
	S3  string // address of the demo's S3 service

	JSON         bool // of Check: print JSON
	FixLifecycle bool // of Check: add a lifecycle rule
}

// HasCertificate reports whether the server has a certificate, from files or self-signed.
func (c *Config) HasCertificate() bool { return c.TLSCert != "" || c.TLSSelfSigned }

// HostKeys are the private keys of an SSH server. Only one of the fields is set, or none.
type HostKeys struct {
	Files    []string
	Text     Secret // one or more keys in PEM
	Generate bool   // new ones at each start
}

// Ports is a range of ports that includes First and Last.
type Ports struct{ First, Last uint16 }

// A Rule is the address in replies to PASV for the clients of a network.
type Rule struct {
	Client  netip.Prefix // the zero Prefix matches every client
	Address string       // "auto", an IPv4 address or a host name
}

// A Secret is a string that prints as "(secret)", with every verb and in logs.
type Secret string

func (Secret) String() string   { return "(secret)" }
func (Secret) GoString() string { return "(secret)" }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue("(secret)") }

// MarshalText implements encoding.TextMarshaler, for encoders of a whole Config.
func (Secret) MarshalText() ([]byte, error) { return []byte("(secret)"), nil }
