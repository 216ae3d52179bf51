package main

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/s3ftpd/s3ftpd/config"
)

// welcome says what to type, in lines that can be pasted into a shell one by one. The address is that of FTP.
func welcome(c *config.Config, ftp string) string {
	curl, lftp, account, root := "curl -sS", "lftp", "user "+c.User, url.URL{Scheme: "ftp", Host: ftp}
	if c.Password == "demo" {
		account += ", password demo"
		root.User = url.UserPassword(c.User, "demo")
	} else { // a password that was chosen is asked for, not shown
		curl += " -u " + quote(c.User)
		lftp += " -u " + quote(c.User)
	}
	at := func(path string) string { return quote(root.String() + path) }
	return fmt.Sprintf(`Files go into the bucket %[1]s, which lies in %[2]s.

FTP is on %[3]s, %[4]s. Try, in another terminal:

  echo 'Hello, bucket!' | %[5]s -T - %[6]s
  %[5]s %[6]s
  %[5]s %[7]s
  %[8]s -e 'cat hello.txt; ls; bye' %[9]s

The same files through S3, on %[10]s, access key %[11]s, secret key %[12]s:

  AWS_ACCESS_KEY_ID=%[11]s AWS_SECRET_ACCESS_KEY=%[12]s AWS_REGION=%[13]s aws --endpoint-url %[14]s s3 ls %[15]s

Ctrl-C ends the demo; the files stay.
`, c.Bucket, c.Dir, ftp, account, curl, at("/hello.txt"), at("/"), lftp, at(""),
		strings.TrimPrefix(c.Endpoint, "http://"), demoKey, demoSecret, quote(c.Region), c.Endpoint, quote("s3://"+c.Bucket+"/"+c.Prefix))
}

// needsNoQuotes matches what a shell leaves alone.
var needsNoQuotes = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]+$`)

// quote makes one word of a text, for a shell.
func quote(text string) string {
	if needsNoQuotes.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
