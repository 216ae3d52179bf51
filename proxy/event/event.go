// Package event has the events that a protocol tells a [proxy.Observer] of: one struct for each kind. docs/operation.md lists what
// the log makes of them.
package event

import (
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A Cause says where a failure comes from. It decides, and not the code of the reply, at which level a failure is logged.
type Cause int

const (
	CauseNone    Cause = iota // there is no failure
	CauseRequest              // the request: a file that is missing, or what is refused without asking the storage
	CauseClient               // the client, its connection, or a limit that works as it should: aborted, cut, a name that exists
	CauseServer               // what the operator can mend: the storage, the network, keys, a full disk
)

// String returns the cause as logs show it.
func (c Cause) String() string { return [...]string{"none", "request", "client", "server"}[c] }

// Events of a session.
type (
	// SessionStart is the begin of a session.
	SessionStart struct {
		TLS bool // from the first byte on
	}
	// SessionEnd is the end of a session. Its context has the user that was logged in.
	SessionEnd struct {
		Duration time.Duration
		Err      error // nil = the client has taken its leave
	}
	// SessionRefused is a client that got no session, as there are too many.
	SessionRefused struct {
		Code int
		Err  error
	}
	// ClientSoftware is the name of the client's program, as the client says it.
	ClientSoftware struct{ Name string }
	// Panic is a fault of the program, which has ended the session and no other.
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

// Events of logins. User is the name that the client gives, which the context has only after the login.
type (
	// LoginOK is a login. Its context has the user.
	LoginOK struct{ Method proxy.LoginMethod }
	// LoginRefused is a wrong password, or one session too many of the user.
	LoginRefused struct {
		User   string
		Method proxy.LoginMethod
		Code   int
		Err    error
	}
	// LoginUndecided is a login that could not be judged.
	LoginUndecided struct {
		User   string
		Method proxy.LoginMethod
		Code   int
		Err    error
	}
	// CertificateInsufficient is a certificate that does not log in without a password.
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
func (CertificateInsufficient) Kind() string { return "login.certificate" }

// Events of commands and of what they change.
type (
	// Command is a command that begins.
	Command struct{ Command, Name string }
	// CommandFailed is a command that failed, but for transfers.
	CommandFailed struct {
		Command, Name string
		Code          int
		Cause         Cause
		Err           error
	}
	// TransferEnd is the end of a transfer, complete or not.
	TransferEnd struct {
		Direction     proxy.Direction
		Command, Name string
		Offset        int64 // where the client resumes; below 0 = at the end of what is there
		Bytes         int64 // moved
		Duration      time.Duration
		Code          int
		Cause         Cause // CauseNone = complete
		Err           error
		Stored        proxy.Stored // of a complete upload
	}
	// FileDelete is a file that was deleted.
	FileDelete struct {
		Name   string
		Stored proxy.Stored
	}
	// Rename is a file or directory that was renamed.
	Rename struct {
		Name, To string
		Stored   proxy.Stored
	}
	// SetTime is a file whose modification time was set.
	SetTime struct {
		Name   string
		Time   time.Time
		Stored proxy.Stored
	}
	// Mkdir is a directory that was made.
	Mkdir struct {
		Name   string
		Stored proxy.Stored
	}
	// Rmdir is a directory that was removed.
	Rmdir struct {
		Name   string
		Stored proxy.Stored // zero if the directory had vanished with its last file
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
	// AcceptFailed is a listener that has to wait before it can accept the next connection, such as for a file descriptor.
	AcceptFailed struct {
		Address string // of the listener
		Err     error
	}
	// TLSHandshake is a control connection that is secured.
	TLSHandshake struct{ Version, Cipher string }
	// TLSLegacy is the first connection of a session whose TLS is too weak for anything but an old device. On the control
	// connection it comes in place of TLSHandshake.
	TLSLegacy struct{ Version, Cipher string }
	// DataOpen is a data connection that was made, and secured where that was asked for.
	DataOpen struct {
		Mode    string // "passive" or "active"
		TLS     string // its version; "" = in clear
		Resumed bool   // a TLS session
	}
	// PassiveExhausted is a client that got no passive port, as none is free.
	PassiveExhausted struct {
		Code int
		Err  error
	}
	// PassiveUnresolved is a client that got no passive port, as the address to name is not known.
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
func (DataOpen) Kind() string { return "data.open" }

// Kind implements [proxy.Event].
func (PassiveExhausted) Kind() string { return "passive.exhausted" }

// Kind implements [proxy.Event].
func (PassiveUnresolved) Kind() string { return "passive.unresolved" }
