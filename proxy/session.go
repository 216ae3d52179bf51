package proxy

import (
	"cmp"
	"slices"
	"time"
)

// Info returns the session's ID, protocol, client and current user.
func (s *Session) Info() SessionInfo {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	return s.status.SessionInfo
}

// End logs the session out and removes it from the list. Further calls do nothing.
func (s *Session) End() {
	s.Logout()
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	if !s.all.running[s] {
		return
	}
	delete(s.all.running, s)
	count(&s.all.byAddress, LimitPrefix(s.status.Client.Addr()), -1)
}

// Login sets the user of the session and counts it among the user's sessions. The error is ErrTooManyOfUser if the user has as
// many sessions as the limits allow. A session that is logged in must be logged out first.
func (s *Session) Login(user string, limits Limits) error {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	if s.all.byUser[user] >= cmp.Or(limits.Sessions, s.all.MaxPerUser, defaultMaxPerUser) {
		return ErrTooManyOfUser
	}
	count(&s.all.byUser, user, 1)
	s.status.User, s.limits, s.counted = user, limits, true
	return nil
}

// SetLimits replaces the limits of the user, for later transfers.
func (s *Session) SetLimits(limits Limits) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	s.limits = limits
}

// Logout undoes Login.
func (s *Session) Logout() {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	if s.counted {
		count(&s.all.byUser, s.status.User, -1)
	}
	s.status.User, s.counted = "", false
}

// SetTLS sets the session's TLS version, which List shows.
func (s *Session) SetTLS(version string) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	s.status.TLS = version
}

// SetCommand sets the running command, which List shows; "" = none.
func (s *Session) SetCommand(command string) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	s.status.Command = command
}

// StartTransfer counts and lists a transfer until end is called. The error is ErrTooManyTransfers if the user has as many uploads
// and downloads as the limits allow. The bytes function returns the number of bytes transferred so far. It may be called from any
// goroutine, and must not call methods of Sessions.
func (s *Session) StartTransfer(direction Direction, name string, bytes func() int64) (end func(), err error) {
	t := &runningTransfer{TransferStatus{Direction: direction, Name: name, Since: time.Now()}, bytes}
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	user := s.status.User
	moves := 1 // of a file
	if direction == Listing {
		moves = 0
	}
	if moves > 0 && s.limits.Transfers > 0 && s.all.transfersOf[user] >= s.limits.Transfers {
		return nil, ErrTooManyTransfers
	}
	s.transfers = append(s.transfers, t)
	s.all.transfers++
	count(&s.all.transfersOf, user, moves)
	return func() {
		s.all.mu.Lock()
		defer s.all.mu.Unlock()
		s.transfers = slices.DeleteFunc(s.transfers, func(other *runningTransfer) bool { return other == t })
		s.all.transfers--
		count(&s.all.transfersOf, user, -moves)
	}, nil
}
