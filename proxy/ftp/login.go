package ftp

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/names"
)

const (
	failedLoginDelay = time.Second // from PASS to its refusal; the same whatever the refusal costs to find out
	maxFailedLogins  = 3           // per session
)

func (s *session) cmdUser(ctx context.Context, arg string) error {
	if s.tls == nil && s.requiresTLS() {
		return errTLSRequired
	}
	if s.store != nil {
		s.reset() // RFC 959, section 4.1.1: USER starts a new login
	}
	s.name, s.user, s.userGiven = arg, proxy.ClipUser(arg), true
	if certificate := s.tls.certificate(); certificate != nil {
		account, err := s.authenticate(ctx, s.attempt(proxy.ByCertificate, "", certificate))
		var last reply
		switch {
		case err == nil:
			s.userGiven = false
			return s.admit(ctx, account, proxy.ByCertificate, reply{232, "Logged in by certificate."})
		case errors.As(err, &last):
			return observedError{s.closeWith(last)}
		}
		s.observe(ctx, event.CertificateInsufficient{User: s.user, Err: err}) // a password may complete it
	}
	return s.ok(331, "Password required.")
}

func (s *session) cmdPass(ctx context.Context, arg string) error {
	asked := take(&s.userGiven)
	switch {
	case s.tls == nil && s.requiresTLS():
		return errTLSRequired
	case !asked && s.store != nil && s.tls.certificate() != nil:
		return s.ok(202, "Already logged in by certificate.") // some clients send PASS after any reply to USER
	case !asked:
		return reply{503, "Send USER first."}
	}
	delay := time.After(failedLoginDelay)
	account, err := s.authenticate(ctx, s.attempt(proxy.ByPassword, arg, s.tls.certificate()))
	var last reply
	switch {
	case errors.As(err, &last):
		return observedError{s.closeWith(last)}
	case errors.Is(err, fs.ErrPermission):
		return s.refuseLogin(ctx, err, delay)
	case errors.Is(err, proxy.ErrBanned):
		return s.closeRefused(ctx, err, errBanned, delay)
	case errors.Is(err, proxy.ErrTooManyLogins):
		return s.closeRefused(ctx, err, reply{421, "Too many logins, try again later."}, delay)
	case err != nil:
		s.observe(ctx, event.LoginUndecided{User: s.user, Method: proxy.ByPassword, Code: 530, Err: err})
		return observedError{reply{530, "Login cannot be checked, try again later."}}
	}
	return s.admit(ctx, account, proxy.ByPassword, reply{230, "Login successful."})
}

// admit completes a login, unless the user has too many sessions.
func (s *session) admit(ctx context.Context, a proxy.Account, method proxy.LoginMethod, welcome reply) error {
	s.user = proxy.ClipUser(cmp.Or(a.User, s.name))
	if err := s.entry.Login(s.user, a.Limits); err != nil {
		a.Leave()
		s.observe(ctx, event.LoginRefused{User: s.user, Method: method, Code: 530, Err: err})
		return observedError{reply{530, "Too many sessions for this user."}}
	}
	s.queue.setLoggedIn(true)
	s.account, s.loginTimeout = a, nil
	s.use(a)
	s.enter(a)
	s.observe(s.context(ctx), event.LoginOK{Method: method})
	return s.ok(welcome.code, welcome.text)
}

// use applies the settings of an account.
func (s *session) use(a proxy.Account) { s.store, s.compat = a.Store, a.Compat }

// enter begins in the home directory of an account. If the store does not have that directory, it is an empty one.
func (s *session) enter(a proxy.Account) {
	s.dir, s.known = cmp.Or(a.Home, "/"), names.Directories{}
	s.known.Add(s.dir)
}

// refreshAccount applies changes of the account since the last command. If it shows another place now, what earlier commands have
// said about files is dropped. The error ends the session: the user may have no sessions any more.
func (s *session) refreshAccount() error {
	if s.store == nil || s.account.Now == nil {
		return nil
	}
	now, err := s.account.Now()
	switch {
	case err != nil:
		return s.closeWith(errUserRemoved)
	case now == nil:
		return nil
	}
	if now.Place != s.account.Place {
		s.enter(*now)
		s.restOffset, s.renameFrom, s.lastStored, s.reported, s.hashRange = 0, "", "", reportedEntry{}, nil
	}
	s.use(*now)
	s.account.Place, s.account.Space = now.Place, now.Space
	s.entry.SetLimits(now.Limits)
	return nil
}

// authenticate calls Server.Login, and cancels it when the client leaves, the login times out or the server shuts down; the error
// is then the last reply. A client that has sent commands after PASS has not left: it may have closed its side after pipelining.
func (s *session) authenticate(ctx context.Context, a proxy.Attempt) (proxy.Account, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue, gone, late, drain := s.lines, s.gone, s.loginTimeout, s.drain.Done()
	go func() {
		for {
			select {
			case <-gone:
				if len(queue) == 0 {
					cancel(errClientLeft)
					return
				}
				gone = nil
			case <-late:
				cancel(errLoginTimeout)
				return
			case <-drain:
				cancel(s.drainReply())
				return
			case <-ctx.Done():
				return
			}
		}
	}()
	account, err := s.srv.Login(ctx, a)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	return account, err
}

// closeRefused refuses a login whatever the password is, and closes the session after the delay: many clients that connect again
// at once would keep the server busy.
func (s *session) closeRefused(ctx context.Context, err error, last reply, delay <-chan time.Time) error {
	s.observe(ctx, event.LoginRefused{User: s.user, Method: proxy.ByPassword, Code: last.code, Err: err})
	s.await(ctx, delay)
	return observedError{s.closeWith(last)}
}

// await waits for the delay of a refusal, unless the session ends.
func (s *session) await(ctx context.Context, delay <-chan time.Time) {
	select {
	case <-delay:
	case <-ctx.Done():
	case <-s.gone:
	}
}

// errWrongLogin is logged where Login gives no other reason.
var errWrongLogin = errors.New("wrong user or password")

// refuseLogin replies to a wrong login after the delay, always with the same text. Only the log has the reason.
func (s *session) refuseLogin(ctx context.Context, err error, delay <-chan time.Time) error {
	if err == fs.ErrPermission {
		err = errWrongLogin
	}
	r := reply{530, "Login incorrect."}
	if s.failedLogins++; s.failedLogins == maxFailedLogins {
		r = s.closeWith(reply{421, "Too many failed logins, closing connection."})
	}
	s.observe(ctx, event.LoginRefused{User: s.user, Method: proxy.ByPassword, Code: r.code, Err: err})
	s.await(ctx, delay)
	return observedError{r}
}

func (s *session) cmdAcct(context.Context, string) error {
	return s.ok(202, "No account required.")
}

func (s *session) cmdRein(context.Context, string) error {
	s.reset()
	return s.ok(220, "Service ready for new user.")
}

func (s *session) cmdQuit(context.Context, string) error {
	s.closing = true
	return s.ok(221, "Goodbye.")
}

// attempt returns an Attempt with the client's data.
func (s *session) attempt(method proxy.LoginMethod, password string, certificate *x509.Certificate) proxy.Attempt {
	a := proxy.Attempt{
		User: s.name, Password: password, Certificate: certificate, Method: method, Protocol: protocol, Session: s.entry.Info().ID, Peer: s.peer,
	}
	if s.tls != nil {
		a.TLS = tls.VersionName(s.tls.state.Version)
	}
	return a
}
