package config

import "net"

// setDefaults sets the defaults that depend on whether there is a certificate, or on the listener.
func (l *loader) setDefaults() {
	c := &l.config
	if !l.isSet("tls-self-signed") && (c.TLSCert != "" || c.TLSKey != "") {
		c.TLSSelfSigned = false // the demo's default applies only without a certificate
	}
	l.setFTPSDefault()
	l.setTLSDefault()
	c.ActivePortTLS = c.ActivePort
	if !l.isSet("active-port") {
		c.ActivePort, c.ActivePortTLS = 20, 989 // the control port minus 1 (RFC 959, 5.2)
	}
}

func (l *loader) setFTPSDefault() {
	switch c := &l.config; {
	case l.isSet("ftps"):
	case !c.HasCertificate():
		c.FTPS = ""
	case l.command != Demo:
		host, _, _ := net.SplitHostPort(c.FTP) // "" if --ftp is off
		c.FTPS = net.JoinHostPort(host, "990")
	}
}

func (l *loader) setTLSDefault() {
	switch c := &l.config; {
	case l.isSet("tls"):
	case !c.HasCertificate():
		c.TLS = "off"
	case l.command != Demo, c.TLSClientCA != "":
		c.TLS = "required"
	}
}

// checkCertificate requires --tls-cert and --tls-key together, and no self-signed certificate beside them.
func (l *loader) checkCertificate() {
	c := &l.config
	if !l.valid("tls-self-signed") {
		return
	}
	switch {
	case c.TLSSelfSigned && c.TLSCert+c.TLSKey != "":
		l.mistakes.add(l.source("tls-self-signed"), "must not be combined with %s", l.source(l.certificateOption()))
	case c.TLSCert != "" && c.TLSKey == "":
		l.mistakes.add(l.source("tls-cert")+" "+quoted(c.TLSCert),
			"requires --tls-key, the file with the private key, which may be the same file")
	case c.TLSCert == "" && c.TLSKey != "":
		l.mistakes.add(l.source("tls-key")+" "+quoted(c.TLSKey), "requires --tls-cert, the file with the certificate")
	case !c.HasCertificate():
		l.checkTLSUnused()
	}
}

// checkTLSVersions reports --tls-min together with --tls-legacy, which allows lower versions.
func (l *loader) checkTLSVersions() {
	if c := &l.config; c.TLSLegacy && l.isSet("tls-min") && l.valid("tls-legacy", "tls-min") {
		l.mistakes.add(l.source("tls-legacy"), "must not be combined with %s %q: it allows TLS 1.0", l.source("tls-min"), c.TLSMin)
	}
}

// checkTickets requires session tickets for --passive-share ticket.
func (l *loader) checkTickets() {
	if c := &l.config; c.PassiveShare == "ticket" && c.TLSDataSession == "off" && l.valid("passive-share", "tls-data-session") {
		l.mistakes.add(l.source("passive-share")+` "ticket"`, `requires session tickets: %s must be offer or require, not off`, l.source("tls-data-session"))
	}
}

// certificateOption returns the option of the certificate that is set.
func (l *loader) certificateOption() string {
	if l.config.TLSCert != "" {
		return "tls-cert"
	}
	return "tls-key"
}

// checkTLSUnused reports TLS options that would have no effect without a certificate.
func (l *loader) checkTLSUnused() {
	c := &l.config
	for _, need := range []struct {
		option, value string
		needs         bool
	}{
		{"ftps", c.FTPS, c.FTPS != ""},
		{"tls", c.TLS, c.TLS != "off"},
		{"tls-min", c.TLSMin, c.TLSMin != "1.2"},
		{"tls-legacy", "true", c.TLSLegacy},
		{"tls-client-ca", c.TLSClientCA, c.TLSClientCA != ""},
		{"tls-data-session", c.TLSDataSession, c.TLSDataSession == "require"},
		{"passive-share", c.PassiveShare, c.PassiveShare == "ticket"},
	} {
		if need.needs && l.valid(need.option) {
			l.mistakes.add(l.source(need.option)+" "+quoted(need.value), "requires a certificate: set --tls-cert and --tls-key, or --tls-self-signed")
		}
	}
}

// checkClientCertificates reports options that bypass client certificates, or that require them.
func (l *loader) checkClientCertificates() {
	c := &l.config
	if c.TLSClientCA != "" && c.TLSClientAuth == "required" && c.FTP != "" && c.TLS != "required" && c.HasCertificate() && l.valid("tls", "ftp") {
		l.mistakes.add(l.source("tls")+" "+quoted(c.TLS), "lets clients log in without the certificate of %s: "+
			`must be required, or set --tls-client-auth optional, or --ftp ""`, l.source("tls-client-ca"))
	}
	if c.TLSClientAuth == "optional" && c.TLSClientCA == "" {
		l.mistakes.add(l.source("tls-client-auth")+" "+quoted(c.TLSClientAuth), "requires --tls-client-ca, the CAs of client certificates")
	}
	if c.UserCertificate != "" && c.TLSClientCA == "" {
		l.mistakes.add(l.source("user-certificate")+" "+quoted(c.UserCertificate), "requires --tls-client-ca, the CAs of client certificates")
	}
}
