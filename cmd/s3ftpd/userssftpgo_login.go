package main

import (
	"slices"
	"strings"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
)

// denies reports whether a user may not use a protocol of SFTPGo: FTP or SSH.
func (f *sftpgoFilters) denies(protocol string) bool {
	return slices.Contains(f.DeniedProtocols, protocol)
}

// deniesMethod reports whether a user may not log in with a method of SFTPGo.
func (f *sftpgoFilters) deniesMethod(method string) bool {
	return slices.Contains(f.DeniedLoginMethods, method)
}

// hasCertificate reports whether a user may log in with a certificate, alone or beside the password.
func (f *sftpgoFilters) hasCertificate() bool {
	return f.TLSUsername == "CommonName" && !f.denies("FTP")
}

// convertLogin converts how a user logs in.
func convertLogin(from *sftpgoUser, u *imported) {
	f := &from.Filters
	switch {
	case f.IsAnonymous && from.Username == "anonymous":
		u.keys = append(u.keys, "password: any")
	case f.IsAnonymous:
		u.disable("logs in with any password, which only the user anonymous can do")
	default:
		convertProofs(from, u)
	}
	if n := len(f.TLSCerts); n > 0 {
		u.note("%d certificates are not taken over: the subject of a certificate is compared instead", n)
	}
	convertProtocols(f, u)
	if from.Status != nil && *from.Status == 0 {
		u.disabled = true
	}
	if from.ExpirationDate > 0 {
		u.key("expires", time.UnixMilli(from.ExpirationDate).UTC().Format(time.RFC3339))
	}
}

// convertProofs converts the password, the public keys and the certificate.
func convertProofs(from *sftpgoUser, u *imported) {
	f := &from.Filters
	keys := publicKeysOf(from, u)
	keyAlone := len(keys) > 0 && !f.deniesMethod("publickey")
	keyAndPassword := len(keys) > 0 && !keyAlone && (!f.deniesMethod("publickey+password") || !f.deniesMethod("publickey+keyboard-interactive"))
	certificateAlone := f.hasCertificate() && !f.deniesMethod("TLSCertificate")
	certificateAndPassword := f.hasCertificate() && !f.deniesMethod("TLSCertificate+password")
	passwordAlone := !f.deniesMethod("password") && !(f.deniesMethod("password-over-SSH") && f.denies("FTP"))
	if passwordAlone && f.deniesMethod("password-over-SSH") && !f.denies("SSH") {
		u.disable("may not log in with a password through SSH, but through FTP")
	}
	switch err := config.CheckHash(from.Password); {
	case !passwordAlone && !certificateAndPassword && !keyAlone && !keyAndPassword:
		u.disable("may not log in with a password")
	case from.Password == "" && (certificateAlone || keyAlone): // needs none
	case err != nil && keyAlone && passwordAlone:
		u.note("the password is not taken over: it %v", err)
	case passwordAlone || certificateAndPassword || keyAndPassword:
		u.password(from.Password)
	}
	switch {
	case keyAlone, keyAndPassword && !passwordAlone && !certificateAndPassword:
		u.keys = append(u.keys, "public-keys:\n      - "+strings.Join(keys, "\n      - "))
		u.note("the public keys require --sftp")
	case len(keys) > 0:
		u.note("the public keys are not taken over: the user may not log in with one")
	}
	if keyAndPassword && !passwordAlone && !certificateAndPassword {
		u.keys = append(u.keys, "second-factor: [password, public-key]")
		return
	}
	if f.hasCertificate() {
		convertCertificate(from, u, keyAlone)
	}
}

// convertCertificate converts a certificate, which may be needed beside the password.
func convertCertificate(from *sftpgoUser, u *imported, keyAlone bool) {
	f := &from.Filters
	u.key("certificate", config.QuoteYAML(from.Username))
	u.note("the certificate requires --tls-client-ca")
	if !f.deniesMethod("TLSCertificate") && !f.deniesMethod("password") {
		return
	}
	u.keys = append(u.keys, "second-factor: [password, certificate]")
	if keyAlone {
		u.disable("a login needs certificate and password, or a public key alone: only one of the two can be taken over")
	}
}

// publicKeysOf returns the valid public keys of a user as YAML, and notes the others.
func publicKeysOf(from *sftpgoUser, u *imported) (keys []string) {
	for i, key := range from.PublicKeys {
		parsed, mistakes := config.ParsePublicKeys([]byte(strings.TrimSpace(key)))
		switch quoted := config.QuoteYAML(strings.TrimSpace(key)); {
		case len(mistakes) > 0:
			u.note("the public key %d is not taken over: %s", i+1, strings.TrimPrefix(mistakes[0], "line 1: "))
		case len(parsed) == 1 && !slices.Contains(keys, quoted):
			keys = append(keys, quoted)
		}
	}
	return keys
}

// convertProtocols converts the protocols, and one-time passwords for them.
func convertProtocols(f *sftpgoFilters, u *imported) {
	var protocols []string
	switch {
	case f.denies("FTP"):
	case f.FTPSecurity == 1:
		protocols = append(protocols, "ftps")
	default:
		protocols = append(protocols, "ftp", "ftps")
	}
	if !f.denies("SSH") {
		protocols = append(protocols, "sftp")
	}
	switch {
	case len(protocols) == 0:
		u.disable("may use neither FTP nor SFTP")
	case len(protocols) < 3:
		u.keys = append(u.keys, "protocols: ["+strings.Join(protocols, ", ")+"]")
	}
	needed := slices.Concat(f.TwoFactor, f.OldTwoFactor)
	if f.TOTP.Enabled {
		needed = append(needed, f.TOTP.Protocols...)
	}
	for _, protocol := range []string{"FTP", "SSH"} {
		if slices.Contains(needed, protocol) && !f.denies(protocol) {
			u.disable("one-time passwords are not taken over")
			return
		}
	}
}
