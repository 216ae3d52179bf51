package main

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
)

// checkTLS reports the server's certificate, the TLS versions, the client certificates that are required, and whether passwords and
// files can still be sent in clear.
func checkTLS(r *report, c *config.Config) {
	k, err := openCertificate(c, slog.New(slog.DiscardHandler))
	switch {
	case err != nil:
		for line := range strings.Lines(err.Error()) {
			r.fail("certificate", "", "%s", line)
		}
		return
	case k == nil:
		if c.FTP != "" && !isLoopback(c.FTP) {
			r.warn("tls", "set --tls-cert and --tls-key, or --tls-self-signed", "on --ftp, passwords and files go in clear, since no certificate is configured")
		}
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

// isLoopback reports whether a listener's address can be reached from this machine alone.
func isLoopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func checkCertificate(r *report, c *config.Config, k *certificate) {
	const check, renew = "certificate", "write a new certificate and its key into --tls-cert and --tls-key; s3ftpd loads it without a restart"
	leaf := k.leaf()
	until, names := leaf.NotAfter.UTC().Format(time.DateOnly), strings.Join(hosts(leaf), ", ")
	if c.TLSSelfSigned {
		r.ok(check, "a certificate for %s is made at each start; clients must be told to trust it", names)
		return
	}
	switch problem := age(leaf, time.Now()); {
	case strings.HasPrefix(problem, "expires"):
		r.warn(check, renew, "--tls-cert %q %s, on %s", c.TLSCert, problem, until)
	case problem != "":
		r.fail(check, renew, "--tls-cert %q %s: it is valid from %s until %s", c.TLSCert, problem, leaf.NotBefore.UTC().Format(time.DateOnly), until)
	default:
		r.ok(check, "--tls-cert %q matches its key and is valid until %s", c.TLSCert, until)
	}
	checkNames(r, c, leaf)
	trusted, err := x509.SystemCertPool()
	if err != nil {
		trusted = x509.NewCertPool() // the authority then counts as one that clients must be told to trust
	}
	checkChain(r, c, k.chain(), trusted)
}

// checkNames checks that the certificate has the host names in the configuration that clients connect to.
func checkNames(r *report, c *config.Config, leaf *x509.Certificate) {
	const check = "certificate-name"
	names := strings.Join(hosts(leaf), ", ")
	if names == "" {
		r.warn(check, "make a certificate with the names that clients connect to as subjectAltName (DNS: or IP:)",
			"--tls-cert %q has no name, so clients that verify it refuse it", c.TLSCert)
		return
	}
	fits := true
	for _, host := range advertised(c) {
		if leaf.VerifyHostname(host) != nil {
			fits = false
			r.warn(check, "make a certificate that has "+host+" too, or make sure that clients connect to a name that it has",
				"--tls-cert %q is for %s, and not for %s, which --passive-address or --ftp names", c.TLSCert, names, host)
		}
	}
	if fits {
		r.ok(check, "the certificate is for %s: clients must connect to one of these", names)
	}
}

// advertised returns the host names in --ftp, --ftps and --passive-address, without IP addresses: clients compare the certificate
// with the name that they used for the control connection, not with the address in the reply to PASV.
func advertised(c *config.Config) (names []string) {
	add := func(host string) {
		host = strings.TrimSuffix(host, ".")
		if _, err := netip.ParseAddr(host); err != nil && host != "" && host != "auto" && host != "localhost" && !slices.Contains(names, host) {
			names = append(names, host)
		}
	}
	for _, address := range []string{c.FTP, c.FTPS} {
		if host, _, err := net.SplitHostPort(address); err == nil {
			add(host)
		}
	}
	for _, rule := range c.PassiveAddress {
		add(rule.Address)
	}
	return names
}

// checkClientCA reports the accepted authorities of client certificates. openCertificate has already checked their file.
func checkClientCA(r *report, c *config.Config) {
	const check = "tls-client-ca"
	list, _ := readPEM("--tls-client-ca", c.TLSClientCA).certificates()
	var from []string
	for _, ca := range list {
		if problem := age(ca, time.Now()); problem != "" {
			r.warn(check, "add the authority's new certificate to the file", "--tls-client-ca %q: the certificate of %s %s",
				c.TLSClientCA, ca.Subject, strings.Split(problem, ",")[0])
		}
		from = append(from, ca.Subject.String())
	}
	text := ""
	if c.UserCertificate != "" {
		text = fmt.Sprintf("; that of %s replaces the password of %s", c.UserCertificate, c.User)
	}
	verb := "must"
	if c.TLSClientAuth == "optional" {
		verb = "may"
	}
	r.ok(check, "clients %s show a certificate from %s%s", verb, strings.Join(from, " or "), text)
}

func checkDemand(r *report, c *config.Config) {
	const check = "tls"
	switch {
	case c.TLS == "off" && c.FTPS == "":
		r.warn(check, "set --tls optional or --tls required", "nothing uses the certificate: --tls is off, and --ftps is empty")
	case c.FTP == "":
	case c.TLS == "required":
		r.ok(check, "TLS is required on --ftp, to log in and for every transfer")
	case c.TLS == "optional":
		r.warn(check, "--tls required refuses them", "on --ftp, passwords and files of clients that do not ask for TLS go in clear")
	default:
		r.warn(check, "set --tls optional or --tls required", "on --ftp, passwords and files go in clear, since --tls is off")
	}
}

func checkDataSession(r *report, c *config.Config) {
	const check = "tls-data-session"
	switch c.TLSDataSession {
	case "off":
		r.warn(check, "--tls-data-session offer", "data connections cannot resume the TLS session of their control connection: "+
			"they are matched to their client by its address alone")
	case "require":
		r.ok(check, "data connections must resume the TLS session of their control connection; curl, lftp, FileZilla and WinSCP do, Python's ftplib does not")
	default:
		r.ok(check, "data connections may resume the TLS session of their control connection; others are matched to their client by its address")
	}
	if c.TLSUploadClose == "lenient" {
		r.warn("tls-upload-close", "--tls-upload-close strict, if all clients send close_notify",
			"an upload that is cut on the way is published like a complete one, since --tls-upload-close is lenient")
	}
}

// checkProxies reports the load balancers whose PROXY headers are trusted.
func checkProxies(r *report, c *config.Config) {
	const check = "proxy-protocol"
	var from []string
	for _, network := range c.ProxyProtocolFrom {
		from = append(from, network.String())
	}
	switch everyone := slices.ContainsFunc(c.ProxyProtocolFrom, func(n netip.Prefix) bool { return n.Bits() == 0 }); {
	case everyone:
		r.warn(check, "name the load balancers' own network, unless only they can connect",
			"every client can claim any address, since --proxy-protocol-from is %s", strings.Join(from, ","))
	case len(from) > 0:
		r.ok(check, "connections from %s must begin with a PROXY header, those to passive ports too", strings.Join(from, ", "))
	}
}
