package main

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/s3ftpd/s3ftpd/config"
)

// A way is a way to connect to the demo, with the options that clients need for it.
type way struct {
	scheme, address string
	curl            string // command-line options
	lftp            string // settings
}

// ways returns the ways to connect to the demo, the simplest first. Clients must not verify the self-signed certificate.
func ways(c *config.Config, ls listeners) (list []way) {
	const trust = "set ssl:verify-certificate no; "
	if ls.ftp != nil {
		at := reachable(ls.ftp.Addr())
		switch c.TLS {
		case "off":
			list = append(list, way{scheme: "ftp", address: at})
		case "optional":
			list = append(list, way{"ftp", at, "", "set ftp:ssl-allow no; "})
		}
		if c.TLS != "off" {
			list = append(list, way{"ftp", at, " -k --ssl-reqd", trust + "set ftp:ssl-force yes; "})
		}
	}
	if ls.ftps != nil {
		list = append(list, way{"ftps", reachable(ls.ftps.Addr()), " -k", trust})
	}
	return list
}

// welcome returns the greeting of the demo, with commands to paste into a shell, one per line.
func welcome(c *config.Config, ls listeners) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Files go into the bucket %s, which lies in %s.\n", c.Bucket, c.Dir)
	user, password, account := exampleLogin(c)
	for i, w := range ways(c, ls) {
		curl, lftp, root := "curl -sS"+w.curl, "lftp", url.URL{Scheme: w.scheme, Host: w.address}
		if password != "" {
			root.User = url.UserPassword(user, password)
		} else { // the client asks for a password that the user has chosen; it is not printed
			curl += " -u " + shellQuote(user)
			lftp += " -u " + shellQuote(user)
		}
		switch {
		case i == 0:
			fmt.Fprintf(&b, "\nFTP is on %s, %s. Try, in another terminal:\n\n", w.address, account)
			fmt.Fprintf(&b, "  echo 'Hello, bucket!' | %s -T - %s\n", curl, shellQuote(root.String()+"/hello.txt"))
			fmt.Fprintf(&b, "  %s %s\n", curl, shellQuote(root.String()+"/"))
		case w.scheme == "ftps":
			fmt.Fprintf(&b, "\nThe same with TLS from the first byte on:\n\n")
		default:
			fmt.Fprintf(&b, "\nThe same with TLS; the certificate of the demo is self-signed:\n\n")
		}
		fmt.Fprintf(&b, "  %s %s\n", curl, shellQuote(root.String()+"/hello.txt"))
		fmt.Fprintf(&b, "  %s -e '%scat hello.txt; ls; bye' %s\n", lftp, w.lftp, shellQuote(root.String()))
	}
	b.WriteString(welcomeSFTP(c, ls))
	fmt.Fprintf(&b, `
The same files through S3, on %[1]s, access key %[2]s, secret key %[3]s:

  AWS_ACCESS_KEY_ID=%[2]s AWS_SECRET_ACCESS_KEY=%[3]s AWS_REGION=%[4]s aws --endpoint-url %[5]s s3 ls %[6]s

Ctrl-C ends the demo; the files stay.
`, strings.TrimPrefix(c.Endpoint, "http://"), demoKey, demoSecret, shellQuote(c.Region), c.Endpoint, shellQuote("s3://"+c.Bucket+"/"+c.Prefix))
	return b.String()
}

// welcomeSFTP returns the commands for SFTP, or "" if it is off. As with TLS, clients must not verify the demo's key.
func welcomeSFTP(c *config.Config, ls listeners) string {
	if ls.sftp == nil {
		return ""
	}
	const trust = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
	at := reachable(ls.sftp.Addr())
	host, port, _ := net.SplitHostPort(at)
	user, password, _ := exampleLogin(c)
	curl, lftp, root := "curl -sS -k", "lftp", url.URL{Scheme: "sftp", Host: at}
	if password != "" {
		root.User = url.UserPassword(user, password)
	} else {
		curl += " -u " + shellQuote(user)
		lftp += " -u " + shellQuote(user)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\nThe same through SFTP, on %s; sftp and scp ask for the password:\n\n", at)
	fmt.Fprintf(&b, "  echo 'Hello, bucket!' | %s -T - %s\n", curl, shellQuote(root.String()+"/hello.txt"))
	fmt.Fprintf(&b, "  %s %s\n", curl, shellQuote(root.String()+"/hello.txt"))
	if needsNoQuotes.MatchString(user) { // OpenSSH refuses other characters in names, and lftp uses it
		fmt.Fprintf(&b, "  %s -e 'set sftp:connect-program \"ssh -a -x %s\"; cat hello.txt; ls; bye' %s\n", lftp, trust, shellQuote(root.String()))
		fmt.Fprintf(&b, "  sftp -P %s %s %s\n", port, trust, user+"@"+host)
		fmt.Fprintf(&b, "  scp -P %s %s %s .\n", port, trust, user+"@"+host+":hello.txt")
	}
	return b.String()
}

// exampleLogin returns who can log in, and a description. The password is empty unless it is public.
func exampleLogin(c *config.Config) (user, password, account string) {
	switch {
	case c.User == "" && c.Users == "" && len(c.Auth) > 0:
		return demoKey, demoSecret, fmt.Sprintf("for S3 keys: user %s, password %s", demoKey, demoSecret)
	case c.User == "":
		return "NAME", "", "for the users of " + cmp.Or(c.Users, "--auth-url") // the URL may have a secret
	case c.Password == "demo":
		return c.User, "demo", "user " + c.User + ", password demo"
	}
	return c.User, "", "user " + c.User
}

// needsNoQuotes matches texts that a shell does not interpret.
var needsNoQuotes = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]+$`)

// shellQuote quotes a text as one word for a shell.
func shellQuote(text string) string {
	if needsNoQuotes.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
