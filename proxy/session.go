package proxy

import (
	"cmp"
	"slices"
	"time"
)

// Info returns whose session it is now.
func (n *Session) Info() SessionInfo {
	n.all.mu.Lock()
	defer n.all.mu.Unlock()
	return n.status.SessionInfo
}

// End takes the session off the list, and its login with it. Calls after the first do nothing.
func (n *Session) End() {
	n.Logout()
	n.all.mu.Lock()
	defer n.all.mu.Unlock()
	if !n.all.running[n] {
		return
	}
	delete(n.all.running, n)
	count(&n.all.byAddress, LimitPrefix(n.status.Client.Addr()), -1)
}

// Login makes it a session of user, unless the user has most sessions already, 0 = Sessions.MaxPerUser: then the error is
// ErrTooManyOfUser. A session that is logged in must be logged out first.
func (n *Session) Login(user string, most int) error {
	n.all.mu.Lock()
	defer n.all.mu.Unlock()
	if n.all.byUser[user] >= cmp.Or(most, n.all.MaxPerUser, defaultMaxPerUser) {
		return ErrTooManyOfUser
	}
	count(&n.all.byUser, user, 1)
	n.status.User, n.counted = user, true
	return nil
}

// Logout undoes Login.
func (n *Session) Logout() {
	n.all.mu.Lock()
	defer n.all.mu.Unlock()
	if n.counted {
		count(&n.all.byUser, n.status.User, -1)
	}
	n.status.User, n.counted = "", false
}

// SetTLS notes the version of TLS that the session has from now on.
func (n *Session) SetTLS(version string) {
	n.all.mu.Lock()
	defer n.all.mu.Unlock()
	n.status.TLS = version
}

// SetCommand notes the command that runs, "" = none.
func (n *Session) SetCommand(command string) {
	n.all.mu.Lock()
	defer n.all.mu.Unlock()
	n.status.Command = command
}

// StartTransfer counts and lists a transfer until end is called. The function bytes returns how many bytes it has moved so
// far; it may be called from any goroutine, and must not call methods of Sessions.
func (n *Session) StartTransfer(direction Direction, name string, bytes func() int64) (end func()) {
	t := &runningTransfer{TransferStatus{Direction: direction, Name: name, Since: time.Now()}, bytes}
	n.all.mu.Lock()
	defer n.all.mu.Unlock()
	n.transfers = append(n.transfers, t)
	n.all.transfers++
	return func() {
		n.all.mu.Lock()
		defer n.all.mu.Unlock()
		n.transfers = slices.DeleteFunc(n.transfers, func(other *runningTransfer) bool { return other == t })
		n.all.transfers--
	}
}
