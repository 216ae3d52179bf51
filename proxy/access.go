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

func (s *session) cmdUser(ctx context.Context, arg string) (reply, error) {
	if s.tls == nil && s.insists() {
		return needsTLS, nil
	}
	if s.store != nil {
		s.reset() // a new USER begins a new login, RFC 959 section 4.1.1
	}
	s.user, s.asked = arg, true
	if certificate := s.tls.certificate(); certificate != nil {
		store, err := s.srv.Login(ctx, Attempt{User: s.user, Peer: s.peer, Certificate: certificate})
		if err == nil {
			s.asked = false
			return s.admit(store, reply{232, "Logged in by certificate."}), nil
		}
	}
	return reply{331, "Now the password."}, nil
}

func (s *session) cmdPass(ctx context.Context, arg string) (reply, error) {
	asked := take(&s.asked)
	switch {
	case s.tls == nil && s.insists():
		return needsTLS, nil
	case !asked && s.store != nil && s.tls.certificate() != nil:
		return reply{202, "Logged in already, by certificate."}, nil // some clients say PASS whatever USER is answered
	case !asked:
		return reply{503, "Say USER first."}, nil
	}
	store, err := s.srv.Login(ctx, Attempt{User: s.user, Password: arg, Peer: s.peer, Certificate: s.tls.certificate()})
	switch {
	case errors.Is(err, fs.ErrPermission):
		return s.refuse(ctx)
	case err != nil:
		s.log.Error("login undecided", "user", s.user, "code", 530, "err", err)
		return reply{530, "The login cannot be checked now, try again later."}, nil
	}
	return s.admit(store, reply{230, "Logged in."}), nil
}

// admit lets a user in, to what is to be seen, unless there are too many sessions of the user's.
func (s *session) admit(store Store, welcome reply) reply {
	if !s.srv.census.enter(s.user, cmp.Or(s.srv.MaxPerUser, 50)) {
		s.log.Warn("login refused", "user", s.user, "code", 530, "err", "too many sessions of the user")
		return reply{530, "Too many sessions of this user, close one first."}
	}
	s.store, s.login, s.known, s.habits = store, nil, directories{}, s.srv.habits(s.user, s.peer.Addr())
	s.log.Info("login", "user", s.user)
	return welcome
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
