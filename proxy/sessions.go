package proxy

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Limits of Sessions where its fields are 0.
const (
	defaultMaxSessions   = 1024
	defaultMaxPerAddress = 50
	defaultMaxPerUser    = 50
)

// Errors of Sessions.Start and Session.Login.
var (
	ErrTooManySessions    = errors.New("too many sessions")
	ErrTooManyFromAddress = errors.New("too many sessions from the address")
	ErrTooManyOfUser      = errors.New("too many sessions of the user")
)

// ErrSessionEnded is the cause of the end of a session that Sessions.End has ended.
var ErrSessionEnded = errors.New("an administrator has ended the session")

// Sessions lists the running sessions of all protocols, limits their number and ends one by its ID. The zero value has the
// default limits. Its fields must not change while it is used; its methods may be called from many goroutines at once.
type Sessions struct {
	Max           int // at a time; 0 = 1024
	MaxPerAddress int // by LimitPrefix; 0 = 50
	MaxPerUser    int // unless the account has a limit of its own; 0 = 50

	mu        sync.Mutex
	running   map[*Session]bool
	byAddress map[netip.Prefix]int
	byUser    map[string]int
	transfers int
}

// A SessionInfo says whose session something belongs to.
type SessionInfo struct {
	ID       string // unique in the log
	Protocol string // "ftp"
	Client   netip.AddrPort
	User     string // who is logged in; "" = nobody is
}

// A SessionStatus is a session as it is at one moment.
type SessionStatus struct {
	SessionInfo
	Since     time.Time
	TLS       string // its version; "" = in clear
	Command   string // that runs; "" = none
	Transfers []TransferStatus
}

// A TransferStatus is a running transfer as it is at one moment.
type TransferStatus struct {
	Direction Direction
	Name      string
	Since     time.Time
	Bytes     int64 // moved so far
}

// A Direction says which way a transfer goes.
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
	counted   bool          // among those of its user
	transfers []*runningTransfer
}

// A runningTransfer is a TransferStatus whose bytes are asked for.
type runningTransfer struct {
	TransferStatus
	bytes func() int64
}

// Start counts and lists a session, unless there are too many: then the error is ErrTooManySessions or
// ErrTooManyFromAddress. Sessions.End calls end. The caller must call Session.End.
func (s *Sessions) Start(info SessionInfo, end context.CancelCauseFunc) (*Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := LimitPrefix(info.Client.Addr())
	switch {
	case len(s.running) >= cmp.Or(s.Max, defaultMaxSessions):
		return nil, ErrTooManySessions
	case s.byAddress[from] >= cmp.Or(s.MaxPerAddress, defaultMaxPerAddress):
		return nil, ErrTooManyFromAddress
	}
	n := &Session{all: s, end: end, status: SessionStatus{SessionInfo: info, Since: time.Now()}}
	if s.running == nil {
		s.running = make(map[*Session]bool)
	}
	s.running[n] = true
	count(&s.byAddress, from, 1)
	return n, nil
}

// Running returns how many sessions and how many transfers there are.
func (s *Sessions) Running() (sessions, transfers int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.running), s.transfers
}

// List returns the running sessions, the oldest first.
func (s *Sessions) List() []SessionStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]SessionStatus, 0, len(s.running))
	for n := range s.running {
		status := n.status
		for _, t := range n.transfers {
			t.Bytes = t.bytes()
			status.Transfers = append(status.Transfers, t.TransferStatus)
		}
		list = append(list, status)
	}
	slices.SortFunc(list, func(a, b SessionStatus) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID)) })
	return list
}

// End ends the session of that ID as at a shutdown, with ErrSessionEnded as the cause. It reports whether there is one, and does
// not wait for its end.
func (s *Sessions) End(id string) bool {
	n := s.find(id)
	if n == nil {
		return false
	}
	n.end(ErrSessionEnded)
	return true
}

func (s *Sessions) find(id string) *Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range s.running {
		if n.status.ID == id {
			return n
		}
	}
	return nil
}

// count adds to the number of key, and forgets keys whose number is 0.
func count[K comparable](m *map[K]int, key K, by int) {
	if *m == nil {
		*m = make(map[K]int)
	}
	if (*m)[key] += by; (*m)[key] == 0 {
		delete(*m, key)
	}
}
