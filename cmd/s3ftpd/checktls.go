package main

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
)

// checkTLS says what clients will be shown, what they will have to show, and what in clear remains possible.
func checkTLS(r *report, c *config.Config) {
	k, err := openCertificate(c, slog.New(slog.DiscardHandler))
	switch {
	case err != nil:
		for line := range strings.Lines(err.Error()) {
			r.fail("%s", line)
		}
		return
	case k == nil:
		return
	}
	checkCertificate(r, c, k)
	checkVersions(r, c, k)
	if c.TLSClientCA != "" {
		checkClientCA(r, c)
	}
	checkDemand(r, c)
	checkDataSession(r, c)
}

func checkCertificate(r *report, c *config.Config, k *certificate) {
	leaf := k.leaf()
	until, good := leaf.NotAfter.UTC().Format(time.DateOnly), strings.Join(hosts(leaf), ", ")
	if good == "" {
		good = "no name: clients that compare names refuse it"
	}
	if c.TLSSelfSigned {
		r.ok("a certificate is made at each start, for %s; clients have to be told to believe it", good)
		return
	}
	switch is := age(leaf, time.Now()); {
	case strings.HasPrefix(is, "expires"):
		r.note("--tls-cert %q %s, on %s; a new one is taken up by itself, without a restart", c.TLSCert, is, until)
	case is != "":
		r.fail("--tls-cert %q %s: it is good from %s until %s", c.TLSCert, is, leaf.NotBefore.UTC().Format(time.DateOnly), until)
	default:
		r.ok("--tls-cert %q belongs to its key, and is good until %s, for %s", c.TLSCert, until, good)
	}
}

// checkClientCA names those whose certificates are believed. That they can be read is known already.
func checkClientCA(r *report, c *config.Config) {
	list, _ := readPEM("--tls-client-ca", c.TLSClientCA).certificates()
	var from []string
	for _, ca := range list {
		if is := age(ca, time.Now()); is != "" {
			r.note("--tls-client-ca %q: the certificate of %s %s", c.TLSClientCA, ca.Subject, strings.Split(is, ",")[0])
		}
		from = append(from, ca.Subject.String())
	}
	text := ""
	if c.UserCertificate != "" {
		text = fmt.Sprintf("; that of %s stands for the password of %s", c.UserCertificate, c.User)
	}
	r.ok("clients have to show a certificate from %s%s", strings.Join(from, " or "), text)
}

func checkDemand(r *report, c *config.Config) {
	switch {
	case c.TLS == "off" && c.FTPS == "":
		r.note("nothing uses the certificate: --tls is off, and --ftps is empty; --tls optional or --tls required does")
	case c.FTP == "":
	case c.TLS == "required":
		r.ok("TLS is required on --ftp, to log in and for every transfer")
	case c.TLS == "optional":
		r.note("passwords and files of clients that do not ask for TLS go in clear on --ftp; --tls required refuses them")
	default:
		r.note("passwords and files go in clear on --ftp, since --tls is off")
	}
}

func checkDataSession(r *report, c *config.Config) {
	switch c.TLSDataSession {
	case "off":
		r.note("data connections cannot resume the TLS session of their control connection, so nothing but its address tells a client from others")
	case "require":
		r.ok("data connections have to resume the TLS session of their control connection; curl, lftp, FileZilla and WinSCP do so, Python's ftplib does not")
	default:
		r.ok("data connections may resume the TLS session of their control connection; others are taken from the client's own address alone")
	}
	if c.TLSUploadClose == "lenient" {
		r.note("an upload that somebody cuts on the way is published like a whole one, since --tls-upload-close is lenient")
	}
}

// checkProxies says whose word on where clients come from is believed.
func checkProxies(r *report, c *config.Config) {
	var from []string
	for _, network := range c.ProxyProtocolFrom {
		from = append(from, network.String())
	}
	switch anybody := slices.ContainsFunc(c.ProxyProtocolFrom, func(n netip.Prefix) bool { return n.Bits() == 0 }); {
	case anybody:
		r.note("everybody can say to come from any address, since --proxy-protocol-from is %s; it has to be the load balancers' own network, "+
			"unless nobody else can connect", strings.Join(from, ","))
	case len(from) > 0:
		r.ok("connections from %s have to begin with a PROXY header, those to passive ports too", strings.Join(from, ", "))
	}
}
