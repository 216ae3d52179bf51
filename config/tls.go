package config

// settle fills in the defaults that are one thing with a certificate and another without.
func (l *loading) settle() {
	c := &l.config
	if !l.asked("tls-self-signed") && (c.TLSCert != "" || c.TLSKey != "") {
		c.TLSSelfSigned = false // which the demo makes only where there is none
	}
	l.settleListener()
	l.settleDemand()
	c.ActivePortTLS = c.ActivePort
	if !l.asked("active-port") {
		c.ActivePort, c.ActivePortTLS = 20, 989 // RFC 959 section 5.2: the port below the control connection's
	}
}

func (l *loading) settleListener() {
	switch c := &l.config; {
	case l.asked("ftps"):
	case !c.Certified():
		c.FTPS = ""
	case l.command != Demo:
		c.FTPS = ":990"
	}
}

func (l *loading) settleDemand() {
	switch c := &l.config; {
	case l.asked("tls"):
	case !c.Certified():
		c.TLS = "off"
	case l.command != Demo, c.TLSClientCA != "":
		c.TLS = "required"
	}
}

// certificateIsThere wants a certificate that is whole, and is one, wherever one is needed.
func (l *loading) certificateIsThere() {
	c := &l.config
	if !l.sound("tls-self-signed") {
		return
	}
	switch {
	case c.TLSSelfSigned && c.TLSCert+c.TLSKey != "":
		l.mistakes.add(l.where("tls-self-signed"), "there is %s too; one certificate is enough", l.where(l.oneOfPair()))
	case c.TLSCert != "" && c.TLSKey == "":
		l.mistakes.add(l.where("tls-cert")+" "+quoted(c.TLSCert),
			"has no key: --tls-key has to name the file with its private key, which may be the same file")
	case c.TLSCert == "" && c.TLSKey != "":
		l.mistakes.add(l.where("tls-key")+" "+quoted(c.TLSKey), "has no certificate: --tls-cert has to name the file with it")
	case !c.Certified():
		l.nothingNeedsCertificate()
	}
}

// versionsAgree refuses a lowest version of TLS beside the option that allows lower ones.
func (l *loading) versionsAgree() {
	if c := &l.config; c.TLSLegacy && l.asked("tls-min") && l.sound("tls-legacy", "tls-min") {
		l.mistakes.add(l.where("tls-legacy"), "allows TLS 1.0, and %s %q does not; leave one of them out", l.where("tls-min"), c.TLSMin)
	}
}

// ticketsAreThere wants tickets where they are to tell connections apart.
func (l *loading) ticketsAreThere() {
	if c := &l.config; c.PassiveShare == "ticket" && c.TLSDataSession == "off" && l.sound("passive-share", "tls-data-session") {
		l.mistakes.add(l.where("passive-share")+` "ticket"`, `needs tickets: %s "off" gives clients none, offer or require does`, l.where("tls-data-session"))
	}
}

// oneOfPair is the option of the pair that was given.
func (l *loading) oneOfPair() string {
	if l.config.TLSCert != "" {
		return "tls-cert"
	}
	return "tls-key"
}

// nothingNeedsCertificate refuses what somebody asks of TLS where there is none: it would be a false safety.
func (l *loading) nothingNeedsCertificate() {
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
		if need.needs && l.sound(need.option) {
			l.mistakes.add(l.where(need.option)+" "+quoted(need.value), "needs a certificate: --tls-cert and --tls-key, or --tls-self-signed")
		}
	}
}

// clientsAreCertified holds the certificates that clients have to show against what would get round them, or need them.
func (l *loading) clientsAreCertified() {
	c := &l.config
	if c.TLSClientCA != "" && c.FTP != "" && c.TLS != "required" && c.Certified() && l.sound("tls", "ftp") {
		l.mistakes.add(l.where("tls")+" "+quoted(c.TLS), "lets clients in on --ftp without the certificate that %s asks for; "+
			`--tls required is wanted, or --ftp ""`, l.where("tls-client-ca"))
	}
	if c.UserCertificate != "" && c.TLSClientCA == "" {
		l.mistakes.add(l.where("user-certificate")+" "+quoted(c.UserCertificate), "needs --tls-client-ca, which says whose certificates are believed")
	}
}
