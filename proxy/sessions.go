package proxy

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Limits that Sessions uses for fields that are 0.
const (
	defaultMaxSessions   = 1024
	defaultMaxPerAddress = 50
	defaultMaxPerUser    = 50
)

// Errors of Sessions.Start, Session.Login and Session.StartTransfer.
var (
	ErrTooManySessions    = errors.New("too many sessions")
	ErrTooManyFromAddress = errors.New("too many sessions from the address")
	ErrTooManyOfUser      = errors.New("too many sessions of the user")
	ErrTooManyTransfers   = errors.New("too many transfers of the user")
)

// Causes with which a session ends while the server runs on.
var (
	ErrSessionEnded = errors.New("an administrator has ended the session")
	ErrUserRemoved  = errors.New("the user was removed, disabled or has expired")
)

// Sessions lists the running sessions of all protocols, limits their number and ends one by its ID. The zero value has the
// default limits. The exported fields must not change after first use. Methods may be called from many goroutines at once.
type Sessions struct {
	Max           int // at a time; 0 = 1024
	MaxPerAddress int // by LimitPrefix; 0 = 50
	MaxPerUser    int // for accounts without a limit of their own; 0 = 50

	// Refuse returns an error if a client may not have a session at all, such as ErrBanned; nil = none is refused.
	Refuse func(client netip.Addr) error

	mu        sync.Mutex
	running   map[*Session]bool
	byAddress map[netip.Prefix]int
	byUser    map[string]int
	transfers int

	transfersOf map[string]int // uploads and downloads, by user
}

// A SessionInfo identifies a session.
type SessionInfo struct {
	ID       string // unique in the log
	Protocol string // "ftp"
	Client   netip.AddrPort
	User     string // "" = not logged in
}

// NewSessionID returns a random SessionInfo.ID.
func NewSessionID() string {
	var b [6]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// MaxLoggedUser limits the bytes of a user name in the log. The configuration allows no longer names.
const MaxLoggedUser = 128

// ClipUser shortens a user name for the log. Before login the client chooses it, and each line of the session shows it.
func ClipUser(name string) string {
	if len(name) <= MaxLoggedUser {
		return name
	}
	return strings.ToValidUTF8(name[:MaxLoggedUser], "") + "..."
}

// A SessionStatus is a snapshot of a session.
type SessionStatus struct {
	SessionInfo
	Since     time.Time
	TLS       string // version; "" = without TLS
	Command   string // the running one; "" = none
	Transfers []TransferStatus
}

// A TransferStatus is a snapshot of a running transfer.
type TransferStatus struct {
	Direction Direction
	Name      string
	Since     time.Time
	Bytes     int64 // transferred so far
}

// A Direction is the kind of a transfer.
type Direction string

const (
	Upload   Direction = "upload"
	Download Direction = "download"
	Listing  Direction = "list"
)

// A Session is a running session. Its methods may be called from many goroutines at once.
type Session struct {
	all       *Sessions
	end       context.CancelCauseFunc
	status    SessionStatus // without Transfers
	counted   bool          // in all.byUser
	limits    Limits        // of the user
	transfers []*runningTransfer
}

// A runningTransfer is a TransferStatus with a function for its Bytes.
type runningTransfer struct {
	TransferStatus
	bytes func() int64
}

// Start counts and lists a session. The error is ErrTooManySessions or ErrTooManyFromAddress if a limit is reached, or that of Refuse.
// Sessions.End calls end to end the session. The caller must call Session.End when it has ended.
func (s *Sessions) Start(info SessionInfo, end context.CancelCauseFunc) (*Session, error) {
	if s.Refuse != nil {
		if err := s.Refuse(info.Client.Addr()); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	client := LimitPrefix(info.Client.Addr())
	switch {
	case len(s.running) >= cmp.Or(s.Max, defaultMaxSessions):
		return nil, ErrTooManySessions
	case s.byAddress[client] >= cmp.Or(s.MaxPerAddress, defaultMaxPerAddress):
		return nil, ErrTooManyFromAddress
	}
	session := &Session{all: s, end: end, status: SessionStatus{SessionInfo: info, Since: time.Now()}}
	if s.running == nil {
		s.running = make(map[*Session]bool)
	}
	s.running[session] = true
	count(&s.byAddress, client, 1)
	return session, nil
}

// Running returns the number of running sessions and of running transfers.
func (s *Sessions) Running() (sessions, transfers int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.running), s.transfers
}

// List returns a snapshot of the running sessions, the oldest first.
func (s *Sessions) List() []SessionStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]SessionStatus, 0, len(s.running))
	for session := range s.running {
		status := session.status
		for _, t := range session.transfers {
			t.Bytes = t.bytes()
			status.Transfers = append(status.Transfers, t.TransferStatus)
		}
		list = append(list, status)
	}
	slices.SortFunc(list, func(a, b SessionStatus) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID)) })
	return list
}

// End ends the session with this ID as a shutdown does, with ErrSessionEnded as the cause. It does not wait for the end.
// It reports whether such a session was running.
func (s *Sessions) End(id string) bool {
	session := s.find(id)
	if session == nil {
		return false
	}
	session.end(ErrSessionEnded)
	return true
}

// EndUsers ends the sessions of all users that ended reports, as a shutdown does, with ErrUserRemoved as the cause. It does not wait
// for their end.
func (s *Sessions) EndUsers(ended func(user string) bool) {
	for _, session := range s.loggedIn(func(s *Session) bool { return ended(s.status.User) }) {
		session.end(ErrUserRemoved)
	}
}

// EndExpired ends the sessions whose Limits.Until has come, as EndUsers does.
func (s *Sessions) EndExpired() {
	now := time.Now()
	for _, session := range s.loggedIn(func(s *Session) bool { return !s.limits.Until.IsZero() && !now.Before(s.limits.Until) }) {
		session.end(ErrUserRemoved)
	}
}

// loggedIn returns the sessions with a user that chosen reports.
func (s *Sessions) loggedIn(chosen func(*Session) bool) (list []*Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for session := range s.running {
		if session.counted && chosen(session) {
			list = append(list, session)
		}
	}
	return list
}

func (s *Sessions) find(id string) *Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	for session := range s.running {
		if session.status.ID == id {
			return session
		}
	}
	return nil
}

// count adds by to the number of key, and deletes the key when its number becomes 0.
func count[K comparable](m *map[K]int, key K, by int) {
	if *m == nil {
		*m = make(map[K]int)
	}
	if (*m)[key] += by; (*m)[key] == 0 {
		delete(*m, key)
	}
}
