package sftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// sourceAddress is the critical option of a certificate with the client's networks. All other ones are refused.
const sourceAddress = "source-address"

// mayUse decides whether a key may be tried. For a certificate it sets Certified. reason is for the log.
func (l *login) mayUse(a *proxy.Attempt, key ssh.PublicKey) (reason string, err error) {
	a.PublicKey = key.Marshal()
	if !l.srv.Algorithms.accepts(key) {
		return "is too short", fs.ErrPermission
	}
	if c, ok := key.(*ssh.Certificate); ok {
		if err := l.checkCertificate(l.ctx, a.User, c); err != nil {
			return "is refused: " + err.Error(), err
		}
		a.Certified = true
	}
	switch err = l.srv.AcceptsKey(l.ctx, *a); err {
	case fs.ErrPermission:
		return "is unknown", err
	case nil:
		return "", nil
	}
	return "is refused: " + err.Error(), err
}

// A certificateError is the reason why a certificate is refused. It is fs.ErrPermission.
type certificateError struct{ error }

func (e certificateError) Is(target error) bool { return target == fs.ErrPermission }

func badCertificate(format string, args ...any) error {
	return certificateError{fmt.Errorf(format, args...)}
}

// checkCertificate returns an error unless a certificate is one of the user, valid now and here, and of an authority of the server.
func (l *login) checkCertificate(ctx context.Context, user string, c *ssh.Certificate) error {
	switch {
	case l.srv.IsUserAuthority == nil:
		return badCertificate("it is a certificate, and no authority is accepted, see --sftp-user-ca")
	case c.CertType != ssh.UserCert:
		return badCertificate("the certificate is not one of a user")
	case len(c.ValidPrincipals) == 0: // it would be valid for all users
		return badCertificate("the certificate has no principals")
	}
	isAuthority, err := l.srv.IsUserAuthority(ctx, c.SignatureKey)
	switch {
	case err != nil:
		return err
	case !isAuthority:
		return badCertificate("the certificate is of another authority, %s", ssh.FingerprintSHA256(c.SignatureKey))
	case !l.srv.Algorithms.accepts(c.SignatureKey):
		return badCertificate("the key of the authority is too short")
	case !slices.Contains(l.srv.Algorithms.list().PublicKeyAuths, c.Signature.Format):
		return badCertificate("the certificate is signed with %s, see --sftp-algorithms", c.Signature.Format)
	}
	checker := ssh.CertChecker{SupportedCriticalOptions: []string{sourceAddress}}
	if err := checker.CheckCert(user, c); err != nil {
		return badCertificate("%s", strings.TrimPrefix(err.Error(), "ssh: "))
	}
	if networks, restricted := c.CriticalOptions[sourceAddress]; restricted {
		return checkSource(networks, l.entry.Info().Client.Addr())
	}
	return nil
}

// checkSource returns an error unless a client's address is in a list of addresses and networks.
func checkSource(networks string, client netip.Addr) error {
	client = client.Unmap().WithZone("")
	within := false
	for text := range strings.SplitSeq(networks, ",") {
		network, err := netip.ParsePrefix(text)
		if addr, addrErr := netip.ParseAddr(text); addrErr == nil {
			network, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return badCertificate("the certificate has the invalid source-address %q", networks)
		}
		within = within || network.Contains(client)
	}
	if !within {
		return badCertificate("the certificate is not for %s, which is not in source-address", client)
	}
	return nil
}

// fingerprintOf returns the fingerprint of a key, or that of the key of a certificate and how the authority calls this one.
func fingerprintOf(key ssh.PublicKey) string {
	c, ok := key.(*ssh.Certificate)
	if !ok {
		return ssh.FingerprintSHA256(key)
	}
	return fmt.Sprintf("%s (%s)", ssh.FingerprintSHA256(c.Key), certificateName(c))
}

// certificateName returns what a certificate is called in the log.
func certificateName(c *ssh.Certificate) string {
	return fmt.Sprintf("certificate %q, serial %d, of %s", proxy.ClipUser(c.KeyId), c.Serial, ssh.FingerprintSHA256(c.SignatureKey))
}

// errCertificateEnded refuses a certificate that was accepted when the client offered it.
var errCertificateEnded = errors.New("the certificate is not valid any more")
