package proxy

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"time"
)

const (
	wrongDelay = time.Second // before a wrong login is answered
	mostWrong  = 3           // wrong logins in a session
)

func (s *session) cmdUser(_ context.Context, arg string) (reply, error) {
	if s.store != nil {
		s.reset() // a new USER begins a new login, RFC 959 section 4.1.1
	}
	s.user, s.asked = arg, true
	return reply{331, "Now the password."}, nil
}

func (s *session) cmdPass(ctx context.Context, arg string) (reply, error) {
	if !take(&s.asked) {
		return reply{503, "Say USER first."}, nil
	}
	store, err := s.srv.Login(ctx, Attempt{User: s.user, Password: arg, Peer: s.peer})
	switch {
	case errors.Is(err, fs.ErrPermission):
		return s.refuse(ctx)
	case err != nil:
		s.log.Error("login undecided", "user", s.user, "code", 530, "err", err)
		return reply{530, "The login cannot be checked now, try again later."}, nil
	case !s.srv.census.enter(s.user, cmp.Or(s.srv.MaxPerUser, 50)):
		s.log.Warn("login refused", "user", s.user, "code", 530, "err", "too many sessions of the user")
		return reply{530, "Too many sessions of this user, close one first."}, nil
	}
	s.store, s.login, s.known = store, nil, directories{}
	s.log.Info("login", "user", s.user)
	return reply{230, "Logged in."}, nil
}

// refuse answers a wrong login: always in the same words, after the same time.
func (s *session) refuse(ctx context.Context) (reply, error) {
	s.log.Warn("login refused", "user", s.user, "code", 530, "err", "wrong user or password")
	select {
	case <-time.After(wrongDelay):
	case <-ctx.Done():
	case <-s.gone:
	}
	if s.wrong++; s.wrong == mostWrong {
		s.closed = true
		return reply{421, "Wrong user or password, and for the last time; closing the connection."}, nil
	}
	return reply{530, "Wrong user or password."}, nil
}

func (s *session) cmdAcct(context.Context, string) (reply, error) {
	return reply{202, "No account is needed."}, nil
}

func (s *session) cmdRein(context.Context, string) (reply, error) {
	s.reset()
	return reply{220, "Ready for a new user."}, nil
}

func (s *session) cmdQuit(context.Context, string) (reply, error) {
	s.closed = true
	return reply{221, "Goodbye."}, nil
}
