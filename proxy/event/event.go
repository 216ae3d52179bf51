// Package event has the events that protocols report to a [proxy.Observer], a struct for each kind. docs/logs.md lists
// their log lines.
package event

import (
	"net/netip"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// Events of a session.
type (
	// SessionStart is the start of a session. It is reported when the client has sent something, or else at its end.
	SessionStart struct {
		TLS   bool // implicit: from the first byte
		Probe bool // the client has left without sending anything, as monitoring does
	}
	// SessionEnd is the end of a session. Its context has the last user of the session.
	SessionEnd struct {
		Duration time.Duration
		Err      error // nil = the client quit
		Probe    bool  // as in SessionStart
	}
	// SessionRefused is a connection refused because a limit of sessions is reached, or because the client is banned.
	SessionRefused struct {
		Code int
		Err  error
	}
	// ClientSoftware is the name that the client's program gives itself.
	ClientSoftware struct{ Name string }
	// Panic is a panic, which ended this session only.
	Panic struct {
		Where string
		Err   error
	}
)

// Kind implements [proxy.Event].
func (SessionStart) Kind() string { return "session.start" }

// Kind implements [proxy.Event].
func (SessionEnd) Kind() string { return "session.end" }

// Kind implements [proxy.Event].
func (SessionRefused) Kind() string { return "session.refused" }

// Kind implements [proxy.Event].
func (ClientSoftware) Kind() string { return "client.software" }

// Kind implements [proxy.Event].
func (Panic) Kind() string { return "panic" }

// Events of logins. User is the name that the client sent; the context has the user only after the login.
type (
	// LoginOK is a successful login. Its context has the user. Key is the fingerprint of the public key, "" without one.
	// Certificate is the name of its certificate of SSH, if it has one.
	LoginOK struct {
		Method           proxy.LoginMethod
		Key, Certificate string
	}
	// LoginRefused is a login with a wrong user or password, or above the user's limit of sessions.
	LoginRefused struct {
		User   string
		Method proxy.LoginMethod
		Code   int
		Err    error
	}
	// LoginUndecided is a login that could not be checked, because of an error on the server.
	LoginUndecided struct {
		User   string
		Method proxy.LoginMethod
		Code   int
		Err    error
	}
	// Banned is the ban of a client's address, after too many failed logins. The context is that of the last of them.
	Banned struct {
		Address  netip.Prefix
		User     string // only this user is banned at the address; "" = all
		Duration time.Duration
		Err      error // the reason
	}
	// CertificateInsufficient is a client certificate that does not replace the password.
	CertificateInsufficient struct {
		User string
		Err  error
	}
)

// Kind implements [proxy.Event].
func (LoginOK) Kind() string { return "login.ok" }

// Kind implements [proxy.Event].
func (LoginRefused) Kind() string { return "login.refused" }

// Kind implements [proxy.Event].
func (LoginUndecided) Kind() string { return "login.undecided" }

// Kind implements [proxy.Event].
func (Banned) Kind() string { return "login.banned" }

// Kind implements [proxy.Event].
func (CertificateInsufficient) Kind() string { return "login.certificate" }

// Events of commands, transfers and changes.
type (
	// Command is the start of a command.
	Command struct{ Command, Name string }
	// CommandFailed is a command that failed and is not a transfer.
	CommandFailed struct {
		Command, Name string
		Code          int
		Cause         Cause
		Err           error
		Frequent      bool // the session has had many failures of this command with this code and CauseRequest before
	}
	// TransferEnd is the end of a transfer, complete or not.
	TransferEnd struct {
		Direction     proxy.Direction
		Command, Name string
		Offset        int64 // the client's; negative = the end of the stored file
		Bytes         int64 // transferred
		Duration      time.Duration
		Code          int
		Cause         Cause // CauseNone = complete
		Err           error
		Opened        bool         // the data connection was opened
		Stored        proxy.Stored // of a complete upload or download; of another upload only Bucket and Key, if known
	}
	// FileDelete is a deleted file.
	FileDelete struct {
		Name   string
		Stored proxy.Stored
	}
	// Rename is a renamed file or directory.
	Rename struct {
		Name, To string
		Stored   proxy.Stored
	}
	// SetTime is a file with a modification time that was set.
	SetTime struct {
		Name   string
		Time   time.Time
		Stored proxy.Stored
	}
	// Mkdir is a new directory.
	Mkdir struct {
		Name   string
		Stored proxy.Stored
	}
	// Rmdir is a removed directory.
	Rmdir struct {
		Name   string
		Stored proxy.Stored // zero if the directory was gone already, with its last file
	}
)

// Kind implements [proxy.Event].
func (Command) Kind() string { return "command" }

// Kind implements [proxy.Event].
func (CommandFailed) Kind() string { return "command.failed" }

// Kind implements [proxy.Event].
func (TransferEnd) Kind() string { return "transfer.end" }

// Kind implements [proxy.Event].
func (FileDelete) Kind() string { return "file.delete" }

// Kind implements [proxy.Event].
func (Rename) Kind() string { return "file.rename" }

// Kind implements [proxy.Event].
func (SetTime) Kind() string { return "file.time" }

// Kind implements [proxy.Event].
func (Mkdir) Kind() string { return "dir.make" }

// Kind implements [proxy.Event].
func (Rmdir) Kind() string { return "dir.delete" }

// Events of connections.
type (
	// AcceptFailed is a listener that cannot accept a connection, e.g. because no file descriptor is free, and retries.
	AcceptFailed struct {
		Address string // of the listener
		Err     error
	}
	// TLSHandshake is a completed handshake on a control connection.
	TLSHandshake struct{ Version, Cipher string }
	// TLSLegacy is the first handshake of a session with a version or cipher that only --tls-legacy allows. On the control
	// connection it replaces TLSHandshake.
	TLSLegacy struct{ Version, Cipher string }
	// SSHHandshake is a completed key exchange. MAC is "" for a cipher that needs none.
	SSHHandshake struct{ KeyExchange, HostKey, Cipher, MAC string }
	// SSHLegacy is the use of weak algorithms that only --sftp-algorithms legacy allows, by a key exchange or by a user's signature.
	// For a key exchange it replaces SSHHandshake.
	SSHLegacy struct{ Algorithms string } // separated by commas
	// DataOpen is an established data connection, after its TLS handshake if it has one.
	DataOpen struct {
		Mode    string // "passive" or "active"
		TLS     string // version; "" = without TLS
		Resumed bool   // the TLS session
	}
	// PassiveExhausted is a request for a passive port when none is free.
	PassiveExhausted struct {
		Code int
		Err  error
	}
	// PassiveUnresolved is a request for a passive port when the address to announce cannot be resolved.
	PassiveUnresolved struct {
		Code int
		Err  error
	}
)

// Kind implements [proxy.Event].
func (AcceptFailed) Kind() string { return "accept.failed" }

// Kind implements [proxy.Event].
func (TLSHandshake) Kind() string { return "tls.handshake" }

// Kind implements [proxy.Event].
func (TLSLegacy) Kind() string { return "tls.legacy" }

// Kind implements [proxy.Event].
func (SSHHandshake) Kind() string { return "ssh.handshake" }

// Kind implements [proxy.Event].
func (SSHLegacy) Kind() string { return "ssh.legacy" }

// Kind implements [proxy.Event].
func (DataOpen) Kind() string { return "data.open" }

// Kind implements [proxy.Event].
func (PassiveExhausted) Kind() string { return "passive.exhausted" }

// Kind implements [proxy.Event].
func (PassiveUnresolved) Kind() string { return "passive.unresolved" }

// Events of the sender of events to a web hook, see package observe. They have no session.
type (
	// EventsDelayed is a receiver that cannot be reached, or does not accept events. They are sent again.
	EventsDelayed struct {
		Waiting int // events in the queue
		Err     error
	}
	// EventsDropped are events that the receiver will not get.
	EventsDropped struct {
		Count int   // since the last EventsDropped with this reason
		Err   error // the reason
	}
)

// Kind implements [proxy.Event].
func (EventsDelayed) Kind() string { return "events.delayed" }

// Kind implements [proxy.Event].
func (EventsDropped) Kind() string { return "events.dropped" }
