package sftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// byOfferedKey decides whether a key may be used, of which the client has not shown yet that it has the private part.
func (l *login) byOfferedKey(conn ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	a := l.attempt(conn.User(), proxy.ByPublicKey)
	reason, err := l.mayUse(&a, key)
	switch {
	case err == nil || errors.Is(err, proxy.ErrNeedsPassword):
		return nil, nil
	case l.ctx.Err() != nil:
		return nil, l.end(context.Cause(l.ctx))
	case errors.Is(err, proxy.ErrBanned), errors.Is(err, proxy.ErrTooManyLogins):
		return nil, l.endRefused(a, err, time.After(failedLoginDelay))
	case !errors.Is(err, fs.ErrPermission):
		l.undecided(a, err)
		return nil, err
	}
	if l.refuseKey(a.User, fingerprintOf(key)+" "+reason); l.unknown >= maxUnknownKeys {
		l.say("Too many unknown public keys, closing connection.")
		return nil, l.end(errTooManyKeys)
	}
	return nil, err
}

// byVerifiedKey logs in with a key whose signature was verified.
func (l *login) byVerifiedKey(conn ssh.ConnMetadata, key ssh.PublicKey, _ *ssh.Permissions, algorithm string) (*ssh.Permissions, error) {
	a := l.attempt(conn.User(), proxy.ByPublicKey)
	a.PublicKey = key.Marshal()
	if c, ok := key.(*ssh.Certificate); ok {
		if err := l.checkCertificate(l.ctx, a.User, c); err != nil { // it may have expired since it was offered
			return nil, l.refuse(a, fmt.Errorf("%w: %w", errCertificateEnded, err), time.After(failedLoginDelay))
		}
		a.Certified = true
	}
	if l.password != nil {
		a.Password = *l.password
	}
	if algorithm == ssh.KeyAlgoRSA {
		l.observe(l.hard, event.SSHLegacy{Algorithms: algorithm})
	}
	err := l.try(a)
	if err == proxy.ErrNeedsPassword {
		l.key, l.certified = a.PublicKey, a.Certified
		return nil, &ssh.PartialSuccessError{Next: l.passwordMethods()}
	}
	return nil, err
}

// maxRefusedKeys limits the keys in the log of a refused login.
const maxRefusedKeys = 3

// refuseKey counts a refused key that was offered.
func (l *login) refuseKey(user, why string) {
	l.unknown++
	if l.user = proxy.ClipUser(user); len(l.refused) < maxRefusedKeys {
		l.refused = append(l.refused, why)
	}
}

// refusedBySSH counts keys that package ssh refuses before it calls byOfferedKey, because of their algorithm.
func (l *login) refusedBySSH(conn ssh.ConnMetadata, method string, err error) {
	if method == "publickey" && err != nil && strings.HasPrefix(err.Error(), "ssh: algorithm ") {
		l.refuseKey(conn.User(), strings.TrimPrefix(err.Error(), "ssh: "))
	}
}

// reportKeys reports a login that has failed because no key was accepted. It is reported once, since clients offer all keys that they
// have.
func (l *login) reportKeys() {
	if l.unknown == 0 || l.failed > 0 {
		return
	}
	list := strings.Join(l.refused, ", ")
	if l.unknown > len(l.refused) {
		list += ", ..."
	}
	l.observe(l.hard, event.LoginRefused{
		User: l.user, Method: proxy.ByPublicKey, Code: authFailure, Err: fmt.Errorf("no public key is accepted: %s", list),
	})
}
