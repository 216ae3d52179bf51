package event

import (
	"errors"
	"io/fs"
	"sync"
	"syscall"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A Cause is the origin of a failure. It, not the reply code, determines the level at which the failure is logged.
type Cause int

const (
	CauseNone    Cause = iota // no failure
	CauseRequest              // the request: a missing file, or a refusal without a request to the storage
	CauseClient               // the client, its connection, or a limit: ABOR, a lost connection, an existing name
	CauseServer               // a problem for the operator: the storage, the network, credentials, a full disk
)

// String returns the cause as logs show it.
func (c Cause) String() string { return [...]string{"none", "request", "client", "server"}[c] }

// clientErrors are existing or invalid names, invalid offsets, and limits.
var clientErrors = []error{
	proxy.ErrSessionEnded, fs.ErrExist, fs.ErrInvalid, syscall.ENOTEMPTY, syscall.EISDIR, syscall.ENOTDIR, syscall.ESPIPE,
	syscall.E2BIG, syscall.EFBIG, proxy.ErrStale,
}

// CauseOf returns the cause of an error of a proxy.Store or of proxy.Sessions:
//
// - request: a missing file, or a refusal without a request to the storage;
// - client: an error in clientErrors, or at a limit of the account;
// - server: the storage refused or failed.
//
// fs.ErrPermission is the storage's refusal: keys or a policy are wrong. proxy.ErrDenied is the refusal by a rule of the configuration.
func CauseOf(err error) Cause {
	switch {
	case err == nil:
		return CauseNone
	case errors.As(err, new(*proxy.LimitError)):
		return CauseClient
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, proxy.ErrDenied), errors.Is(err, proxy.ErrTooManyTransfers):
		return CauseRequest
	}
	for _, e := range clientErrors {
		if errors.Is(err, e) {
			return CauseClient
		}
	}
	return CauseServer
}

// MaxRefusals limits the refusals of one kind in a session that are not Frequent.
const MaxRefusals = 20

// Refusals counts the failures of a session with CauseRequest. The zero value is ready to use.
type Refusals struct {
	mu    sync.Mutex
	count map[refusal]int
}

type refusal struct {
	command string // "" = an unknown one
	code    int
}

// Count returns e with its field Frequent, and counts it. All unknown commands are one kind.
func (r *Refusals) Count(e CommandFailed, known bool) CommandFailed {
	if e.Cause != CauseRequest {
		return e
	}
	kind := refusal{e.Command, e.Code}
	if !known {
		kind.command = ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count == nil {
		r.count = make(map[refusal]int)
	}
	r.count[kind]++
	e.Frequent = r.count[kind] > MaxRefusals
	return e
}
