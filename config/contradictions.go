package config

import (
	"slices"
	"strings"
)

// checkCombinations reports missing options, and combinations of valid values that contradict each other.
func (l *loader) checkCombinations() {
	l.checkListeners()
	l.checkCertificate()
	l.checkTLSVersions()
	l.checkClientCertificates()
	l.checkTickets()
	l.checkSFTP()
	l.checkPartSize()
	l.checkKMSKey()
	l.checkUserRefs()
	l.checkBucket()
	l.checkEndpoint()
	l.checkHook()
	l.checkLogin()
	l.checkEvents()
}

// checkEvents reports a secret of no receiver.
func (l *loader) checkEvents() {
	if l.config.EventURLSecretFile != "" && l.config.EventURL == "" && l.valid("event-url", "event-url-secret-file") {
		l.mistakes.add(l.source("event-url-secret-file"), "requires --event-url, whose requests it signs")
	}
}

// checkHook reports options of a hook without its URL.
func (l *loader) checkHook() {
	for _, name := range []string{"auth-url-secret-file", "auth-url-timeout"} {
		if l.isSet(name) && l.config.AuthURL == "" && l.values[name].text != "" && l.valid("auth-url", name) {
			l.mistakes.add(l.source(name), "requires --auth-url, the URL of the hook")
		}
	}
}

// checkBucket requires a bucket, unless all users log in with S3 keys: then each user's root directory is the list of buckets.
func (l *loader) checkBucket() {
	c := &l.config
	ofHook := c.AuthURL != "" && c.User == ""
	switch {
	case c.Users == "" && !ofHook && strings.Contains(c.Prefix, userVariable) && l.valid("prefix", "users", "auth-url", "user"):
		l.mistakes.add(l.source("prefix")+" "+quoted(c.Prefix), "must not contain {user}, which is a variable only with --users, or with --auth-url and no --user")
	case len(c.Auth) > 0 && strings.Contains(c.Prefix, userVariable) && l.valid("prefix", "auth"):
		l.mistakes.add(l.source("prefix")+" "+quoted(c.Prefix), "must not contain {user} beside --auth, whose users would all get this directory; "+
			"for others, set the prefix in the defaults of --users")
	case c.Bucket != "" || !l.valid("bucket", "auth", "auth-url", "user", "users"):
	case (c.Users != "" || ofHook) && c.FixLifecycle:
		l.mistakes.add(l.source("fix-lifecycle"), "requires --bucket, the bucket that gets the rule")
	case (c.Users != "" || ofHook) && len(c.Auth) == 0: // ParseUsers and ParseUser require a bucket of each user
	case len(c.Auth) == 0 && c.AuthURL == "":
		l.mistakes.add("--bucket", "is missing: must be the name of the bucket to serve")
	case c.User != "":
		l.mistakes.add("--bucket", "is missing: must be the name of the bucket that %s serves; only %s without --user needs none",
			l.source("user"), map[bool]string{true: "--auth", false: "--auth-url"}[len(c.Auth) > 0])
	case c.Prefix != "":
		l.mistakes.add(l.source("prefix")+" "+quoted(c.Prefix), "requires --bucket: without it --auth shows whole buckets")
	case c.FixLifecycle:
		l.mistakes.add(l.source("fix-lifecycle"), "requires --bucket, the bucket that gets the rule")
	}
}

// checkListeners requires at least one listener, and different addresses.
func (l *loader) checkListeners() {
	c := &l.config
	if !l.valid("ftp", "ftps", "sftp") {
		return
	}
	if c.FTP == "" && c.FTPS == "" && c.SFTP == "" {
		l.mistakes.add(l.source("ftp")+` ""`, "no listener: one of --ftp, --ftps and --sftp must be an address, e.g. :21")
		return
	}
	same := func(a, b string) bool { return a == b && a != "" && !strings.HasSuffix(a, ":0") } // port 0 is a different port each time
	if same(c.FTP, c.FTPS) {
		l.mistakes.add(l.source("ftps")+" "+quoted(c.FTPS), "must differ from --ftp; the standard ports are :21 for --ftp and :990 for --ftps")
	}
	if same(c.SFTP, c.FTP) || same(c.SFTP, c.FTPS) {
		l.mistakes.add(l.source("sftp")+" "+quoted(c.SFTP), "must differ from --ftp and --ftps; the standard port is :22")
	}
}

// checkPartSize limits a part size other than the default to a quarter of the memory, so that several transfers can share
// it.
func (l *loader) checkPartSize() {
	c := &l.config
	if !l.differsFromDefault("part-size") || !l.valid("part-size", "memory") {
		return
	}
	if c.PartSize > max(c.Memory/4, minPart) {
		l.mistakes.add(l.source("part-size")+" "+SizeText(c.PartSize), "must be at most a quarter of %s, which is %s",
			l.source("memory"), SizeText(c.Memory))
	}
}

// checkLogin requires a user, unless S3 keys or users of a hook log in, and one password unless a certificate replaces it. The demo has defaults for both.
func (l *loader) checkLogin() {
	_, inFile := l.values["password-file"]
	_, inEnv := l.values["password"]
	if l.config.Users != "" {
		l.checkUsers()
		return
	}
	switch {
	case inFile && inEnv:
		l.mistakes.add(l.source("password-file"), "must not be combined with %s", l.source("password"))
	case !l.valid("user", "users", "password", "password-file", "user-certificate", "authorized-keys", "sftp-user-ca", "auth", "auth-url"):
	case inFile || inEnv:
		if l.config.User == "" {
			l.mistakes.add("--user", "is missing: must be the name of the user with this password")
		}
	case l.command == Demo && len(l.config.Auth) > 0 && !l.isSet("user"):
		l.config.User = "" // the demo's default: its name is that of the demo's S3 key too
	case l.command == Demo:
		l.config.Password = "demo"
	case l.config.User == "" && (len(l.config.Auth) > 0 || l.config.AuthURL != ""): // others log in
		if l.config.AuthorizedKeys != "" {
			l.mistakes.add(l.source("authorized-keys"), "requires --user, the user with these keys")
		}
		if l.config.UserCertificate != "" {
			l.mistakes.add(l.source("user-certificate")+" "+quoted(l.config.UserCertificate), "requires --user: %s",
				map[bool]string{true: "a certificate cannot replace an S3 key", false: "the hook decides about certificates"}[l.config.AuthURL == ""])
		}
	case l.config.User == "":
		l.mistakes.add("--user", "is missing: must be a user name, with S3FTPD_PASSWORD or --password-file; many users are in the file of --users")
	case l.config.UserCertificate != "", l.config.AuthorizedKeys != "", l.config.SFTPUserCA != "": // they replace the password
	default:
		l.mistakes.add(l.source("user")+" "+quoted(l.config.User),
			"must have a password: set S3FTPD_PASSWORD or --password-file; with --sftp, --authorized-keys or --sftp-user-ca can replace it")
	}
}

// checkUsers reports options of a single user beside a users file.
func (l *loader) checkUsers() {
	for _, o := range []struct{ name, advice string }{
		{"user", "the user must be in the file"},
		{"password", "passwords must be in the file"},
		{"password-file", "passwords must be in the file, as password or password-file"},
		{"user-certificate", "it must be in the file, as certificate"},
		{"authorized-keys", "keys must be in the file, as public-keys or public-keys-file"},
	} {
		if l.isSet(o.name) && l.values[o.name].text != "" && l.valid(o.name, "users") {
			l.mistakes.add(l.source(o.name), "must not be combined with %s: %s", l.source("users"), o.advice)
		}
	}
	if !l.isSet("user") {
		l.config.User = "" // the demo's default
	}
}

// differsFromDefault reports whether a value is not the default.
func (l *loader) differsFromDefault(name string) bool {
	return l.values[name].text != optionNamed(name).defaultIn(l.command)
}

// isSet reports whether any source sets the option, even if to the default.
func (l *loader) isSet(name string) bool {
	v, ok := l.values[name]
	return ok && v.source != defaultSource(name)
}

// valid reports whether all values of these options are valid.
func (l *loader) valid(names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return l.invalid[name] })
}

// source returns the source of an option's value, as messages name it.
func (l *loader) source(name string) string {
	if v, ok := l.values[name]; ok {
		return v.source
	}
	return defaultSource(name)
}

// defaultSource is the source of an option's default.
func defaultSource(name string) string { return "--" + name + " (default)" }
