// Package config turns flags, environment variables and a YAML file into plain values.
//
// Every option is one row of one table: its name, and from it the flag (--part-size), the environment
// variable (S3FTPD_PART_SIZE) and the key in the file (part-size:), its default, its help and its parser.
// Flags beat the environment, the environment beats the file, the file beats the defaults.
//
// Reading is strict. An unknown name, a bad value and a contradiction are mistakes, and all of them are
// reported together, each in one line that names the option as it was written, its value, and what would be
// right. A secret has no flag and no key, and its value is in no message.
//
// The package knows nothing of what the values are for, and opens no file but the configuration itself,
// the password file (to see that it can be read) and the kernel's memory limits.
package config

import (
	"log/slog"
	"net/netip"
	"time"
)

// The commands that take options.
const (
	Serve = "serve" // the bridge
	Check = "check" // has the options of Serve, and some of its own
	Demo  = "demo"  // the bridge with a store of its own, and defaults to try it out
)

// Config is a complete configuration without contradictions, as Load returns it.
type Config struct {
	FTP  string // address of the listener for sessions that begin in clear, as net.Listen takes it; empty = none
	FTPS string // the same for sessions that begin with TLS; one of the two is there

	TLSCert, TLSKey string // both or neither
	TLSSelfSigned   bool
	TLS             string // on FTP: off, optional or required; off without a certificate
	TLSMin          string // 1.2 or 1.3
	TLSLegacy       bool   // TLS 1.0 and up, whatever TLSMin says, and weak cipher suites
	TLSClientCA     string // whose certificates clients have to show; empty = nobody's
	TLSDataSession  string // off, offer or require
	TLSUploadClose  string // strict or lenient

	ProxyProtocolFrom []netip.Prefix // whose connections begin with a PROXY header

	PassivePorts   Ports
	PassiveShare   string // address or ticket
	PassiveAddress []Rule // the first that fits the client; none = auto
	Active         bool
	ActivePort     uint16 // 0 = any
	ActivePortTLS  uint16 // the same on sessions that begin with TLS

	User            string
	Password        Secret // empty where PasswordFile is set, and perhaps where UserCertificate is
	PasswordFile    string
	UserCertificate string // common name, or the whole subject as RFC 4514 writes it; empty = no certificate stands for the password

	Names       Choices[string] // utf-8, latin1, shift-jis or gbk
	Backslash   Choices[bool]
	LenientDirs Choices[bool]
	Allo        Choices[string] // auto, binding or hint

	Bucket       string
	Prefix       string // empty, or ends in a slash
	Endpoint     string // a URL; empty = the SDK's
	Region       string // empty = the SDK's
	PathStyle    *bool  // nil = on when there is an endpoint, unless its service is known to refuse that
	Checksum     string // auto, crc32c, crc32, sha256, md5 or none
	Payload      string // unsigned or signed
	RequestPayer bool
	Memory       int64 // bytes
	PartSize     int64 // bytes

	MaxParts     int           // 0 = as many as the service is known to take
	UniformParts *bool         // nil = where the service is known to want it
	Resume       time.Duration // 0 = off
	RenameMax    int
	ListMtime    string // auto, s3 or metadata

	StorageClass string // empty, as the next four: none is asked for
	SSE          string // AES256, aws:kms or aws:kms:dsse
	SSEKMSKey    string // only with a KMS encryption
	ACL          string // canned
	Tags         map[string]string

	CommitGrace  time.Duration // 0 = measured
	IdleTimeout  time.Duration
	LoginTimeout time.Duration
	DataTimeout  time.Duration
	StallTimeout time.Duration
	S3Timeout    time.Duration
	DrainTimeout time.Duration

	MaxSessions        int
	MaxSessionsPerIP   int
	MaxSessionsPerUser int

	LogLevel  slog.Level
	LogFormat string // auto, text or json

	Dir string // of the demo's store
	S3  string // address of the demo's S3 service

	JSON         bool // of Check: print JSON
	FixLifecycle bool // of Check: add a lifecycle rule
}

// Certified tells whether there is a certificate, from files or made at the start.
func (c *Config) Certified() bool { return c.TLSCert != "" || c.TLSSelfSigned }

// Ports is a range of ports; both ends belong to it.
type Ports struct{ First, Last uint16 }

// A Rule says which address the reply to PASV names to the clients of one network.
type Rule struct {
	Client  netip.Prefix // the zero Prefix stands for every client
	Address string       // "auto", an IPv4 address or a host name
}

// A Secret is a string that prints as "(secret)", with every verb and in every log.
type Secret string

func (Secret) String() string   { return "(secret)" }
func (Secret) GoString() string { return "(secret)" }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue("(secret)") }

// MarshalText implements encoding.TextMarshaler, for whatever encodes a whole Config.
func (Secret) MarshalText() ([]byte, error) { return []byte("(secret)"), nil }
