package sftp

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

const (
	failedLoginDelay = time.Second // from a login to its refusal; the same whatever the refusal costs to find out
	maxFailedLogins  = 3           // with wrong passwords, per session
	maxUnknownKeys   = 20          // per session
)

// serverVersion is the server's identification (RFC 4253, section 4.2). Some clients change their habits for products that they know.
const serverVersion = "SSH-2.0-s3ftpd"

// authFailure is the code of a refused login in the log, SSH_MSG_USERAUTH_FAILURE.
const authFailure = 51

// A login is the handshake and the login of a connection. Package ssh calls its methods from one goroutine, that of logIn.
type login struct {
	*connection
	ctx      context.Context // cancelled when the client leaves, the login times out or the server shuts down
	messages ssh.ServerPreAuthConn
	failed   int      // refused passwords and verified keys
	unknown  int      // refused keys that were offered
	refused  []string // the first of these, and why
	user     string   // who offered them
	cause    error    // why errEndLogin was returned

	// The first factor of a login that needs two.
	password *string
	key      []byte

	certified bool // key is a certificate
}

// logIn does the handshake and the login. When it returns without an error, c.account is that of the user.
func (c *connection) logIn() (*ssh.ServerConn, <-chan ssh.NewChannel, <-chan *ssh.Request, error) {
	timeout := time.AfterFunc(cmp.Or(c.srv.LoginTimeout, time.Minute), func() { c.socket.end(errLoginTimeout) })
	defer timeout.Stop()
	endDrained := func() { c.socket.end(c.drainCause()) }
	stopDrain := context.AfterFunc(c.drain, endDrained)
	l := &login{connection: c, ctx: c.hard}
	conn, channels, requests, err := ssh.NewServerConn(c.socket, l.config())
	switch drained := !stopDrain(); {
	case err == nil && !drained:
		c.socket.loggedIn.Store(true)
		return conn, channels, requests, nil
	case drained:
		endDrained()
	}
	c.socket.end(errClosed)
	c.socket.queue.discard()
	l.reportKeys()
	return nil, nil, nil, l.reason(err)
}

// reason returns the error of SessionEnd before a login; err is that of package ssh.
func (l *login) reason(err error) error {
	switch cause := l.socket.endCause(); {
	case cause != errClosed:
		return cause
	case l.cause != nil:
		return l.cause
	default:
		return err
	}
}

// config returns the configuration of package ssh for this login.
func (l *login) config() *ssh.ServerConfig {
	algorithms := l.srv.Algorithms.list()
	config := &ssh.ServerConfig{
		Config: ssh.Config{
			KeyExchanges: algorithms.KeyExchanges, Ciphers: algorithms.Ciphers, MACs: algorithms.MACs, RekeyThreshold: l.srv.rekey,
		},
		PublicKeyAuthAlgorithms:   algorithms.PublicKeyAuths,
		MaxAuthTries:              -1, // counted here, by kind
		ServerVersion:             serverVersion,
		PreAuthConnCallback:       l.handshaken,
		VerifiedPublicKeyCallback: l.byVerifiedKey,
		AuthLogCallback:           l.refusedBySSH,
	}
	all := l.firstMethods()
	config.PasswordCallback, config.KeyboardInteractiveCallback, config.PublicKeyCallback =
		all.PasswordCallback, all.KeyboardInteractiveCallback, all.PublicKeyCallback
	if l.srv.Banner != "" {
		config.BannerCallback = func(ssh.ConnMetadata) string { return l.srv.Banner }
	}
	for _, key := range l.srv.Algorithms.HostKeys(l.srv.HostKeys()) {
		config.AddHostKey(signalingKey{key, &l.socket.queue})
	}
	return config
}

func (l *login) firstMethods() ssh.ServerAuthCallbacks {
	methods := l.passwordMethods()
	methods.PublicKeyCallback = l.keyMethods().PublicKeyCallback
	return methods
}

func (l *login) passwordMethods() ssh.ServerAuthCallbacks {
	return ssh.ServerAuthCallbacks{PasswordCallback: l.byPassword, KeyboardInteractiveCallback: l.byPrompt}
}

func (l *login) keyMethods() ssh.ServerAuthCallbacks {
	if l.srv.AcceptsKey == nil {
		return ssh.ServerAuthCallbacks{}
	}
	return ssh.ServerAuthCallbacks{PublicKeyCallback: l.byOfferedKey}
}

// handshaken reports the end of the handshake.
func (l *login) handshaken(conn ssh.ServerPreAuthConn) {
	l.messages = conn
	l.socket.queue.set(conn)
	software := strings.TrimPrefix(strings.TrimPrefix(string(conn.ClientVersion()), version2), version199)
	l.observe(l.hard, event.ClientSoftware{Name: software})
	n := conn.(ssh.AlgorithmsConnMetadata).Algorithms()
	e := event.SSHHandshake{KeyExchange: n.KeyExchange, HostKey: n.HostKey, Cipher: n.Read.Cipher, MAC: n.Read.MAC}
	if used := weak(n); used != "" {
		l.observe(l.hard, event.SSHLegacy{Algorithms: used})
		return
	}
	l.observe(l.hard, e)
}

func (l *login) attempt(user string, method proxy.LoginMethod) proxy.Attempt {
	info := l.entry.Info()
	return proxy.Attempt{User: user, PublicKey: l.key, Certified: l.certified, Method: method, Protocol: protocol, Session: info.ID, Peer: info.Client}
}

// byPrompt asks for the password. Some devices know no other method.
func (l *login) byPrompt(conn ssh.ConnMetadata, prompt ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
	answers, err := prompt("", "", []string{"Password: "}, []bool{false})
	if err != nil {
		return nil, err
	}
	return l.byPassword(conn, []byte(answers[0]))
}

func (l *login) byPassword(conn ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
	a := l.attempt(conn.User(), proxy.ByPassword)
	a.Password = string(password)
	err := l.try(a)
	if err == proxy.ErrNeedsPublicKey {
		l.password = &a.Password
		return nil, &ssh.PartialSuccessError{Next: l.keyMethods()}
	}
	return nil, err
}

// try logs in. Its error is for package ssh, or exactly that of a missing factor.
func (l *login) try(a proxy.Attempt) error {
	delay := time.After(failedLoginDelay)
	account, err := l.srv.Login(l.ctx, a)
	if l.ctx.Err() != nil {
		account.Leave()
		return l.end(context.Cause(l.ctx))
	}
	switch {
	case err == nil:
		return l.admit(a, account)
	case errors.Is(err, proxy.ErrNeedsPublicKey) && a.PublicKey == nil && l.srv.AcceptsKey != nil:
		return proxy.ErrNeedsPublicKey
	case errors.Is(err, proxy.ErrNeedsPassword) && a.Method == proxy.ByPublicKey && l.password == nil:
		return proxy.ErrNeedsPassword
	case errors.Is(err, proxy.ErrBanned), errors.Is(err, proxy.ErrTooManyLogins):
		return l.endRefused(a, err, delay)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, proxy.ErrNeedsPublicKey), errors.Is(err, proxy.ErrNeedsPassword):
		return l.refuse(a, err, delay)
	}
	l.undecided(a, err)
	return err
}

// admit completes a login, unless the user has too many sessions.
func (l *login) admit(a proxy.Attempt, account proxy.Account) error {
	user := proxy.ClipUser(cmp.Or(account.User, a.User))
	if err := l.entry.Login(user, account.Limits); err != nil {
		account.Leave()
		l.observe(l.hard, event.LoginRefused{User: user, Method: a.Method, Code: authFailure, Err: err})
		l.say("Too many sessions for this user.")
		return l.end(err)
	}
	l.account = account
	l.hard, l.stored = proxy.WithSession(l.hard, l.entry.Info()), proxy.WithSession(l.stored, l.entry.Info())
	l.memory = l.srv.budget().ShareOf(l.entry.Info().User)
	ok := event.LoginOK{Method: a.Method}
	if key, err := ssh.ParsePublicKey(a.PublicKey); err == nil {
		if c, is := key.(*ssh.Certificate); is {
			key, ok.Certificate = c.Key, certificateName(c)
		}
		ok.Key = ssh.FingerprintSHA256(key)
	}
	l.observe(l.hard, ok)
	return nil
}

// Errors of refused logins. errWrongLogin is logged where Login gives no other reason.
var (
	errWrongLogin    = errors.New("wrong user or password")
	errTooManyFailed = errors.New("too many failed logins")
	errTooManyKeys   = errors.New("too many unknown public keys")
)

// end makes package ssh end the connection, which offers no method to continue with.
func (l *login) end(cause error) error {
	l.cause = cause
	return &ssh.PartialSuccessError{}
}

// refuse refuses a wrong login after the delay. Only the log has the reason.
func (l *login) refuse(a proxy.Attempt, err error, delay <-chan time.Time) error {
	if err == fs.ErrPermission {
		err = errWrongLogin
	}
	l.observe(l.hard, event.LoginRefused{User: proxy.ClipUser(a.User), Method: a.Method, Code: authFailure, Err: err})
	l.await(delay)
	if l.failed++; l.failed == maxFailedLogins {
		l.say("Too many failed logins, closing connection.")
		return l.end(errTooManyFailed)
	}
	return errWrongLogin
}

// endRefused refuses a login whatever its proof is, and ends the connection after the delay: many clients that connect again at once would
// keep the server busy.
func (l *login) endRefused(a proxy.Attempt, err error, delay <-chan time.Time) error {
	l.observe(l.hard, event.LoginRefused{User: proxy.ClipUser(a.User), Method: a.Method, Code: authFailure, Err: err})
	l.await(delay)
	text := "Too many logins, try again later."
	if errors.Is(err, proxy.ErrBanned) {
		text = "Too many failed logins, try again later."
	}
	l.say(text)
	return l.end(err)
}

func (l *login) undecided(a proxy.Attempt, err error) {
	l.observe(l.hard, event.LoginUndecided{User: proxy.ClipUser(a.User), Method: a.Method, Code: authFailure, Err: err})
	l.say("Login cannot be checked, try again later.")
}

// await waits for the delay of a refusal, unless the session ends.
func (l *login) await(delay <-chan time.Time) {
	select {
	case <-delay:
	case <-l.ctx.Done():
	}
}

// say shows the client a line.
func (l *login) say(text string) { l.messages.SendAuthBanner(text + "\r\n") }
