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
	l.checkPartSize()
	l.checkKMSKey()
	l.checkUserRefs()
	l.checkBucket()
	l.checkEndpoint()
	l.checkLogin()
}

// checkBucket requires a bucket, unless all users log in with S3 keys: then each user's root directory is the list of buckets.
func (l *loader) checkBucket() {
	c := &l.config
	switch {
	case c.Bucket != "" || !l.valid("bucket", "auth", "user"):
	case c.Auth == "":
		l.mistakes.add("--bucket", "is missing: must be the name of the bucket to serve")
	case c.User != "":
		l.mistakes.add("--bucket", "is missing: must be the name of the bucket that %s serves; only --auth s3 without --user needs none", l.source("user"))
	case c.Prefix != "":
		l.mistakes.add(l.source("prefix")+" "+quoted(c.Prefix), "requires --bucket: without it --auth s3 shows whole buckets")
	case c.FixLifecycle:
		l.mistakes.add(l.source("fix-lifecycle"), "requires --bucket, the bucket that gets the rule")
	}
}

// checkListeners requires at least one listener, and different addresses.
func (l *loader) checkListeners() {
	c := &l.config
	switch {
	case !l.valid("ftp", "ftps"):
	case c.FTP == "" && c.FTPS == "":
		l.mistakes.add(l.source("ftp")+` ""`, "no listener: one of --ftp and --ftps must be an address, e.g. :21")
	case c.FTP == c.FTPS && !strings.HasSuffix(c.FTP, ":0"): // port 0 is a different port each time
		l.mistakes.add(l.source("ftps")+" "+quoted(c.FTPS), "must differ from --ftp; the standard ports are :21 for --ftp and :990 for --ftps")
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

// checkLogin requires a user, unless S3 keys log in, and one password unless a certificate replaces it. The demo has defaults for both.
func (l *loader) checkLogin() {
	_, inFile := l.values["password-file"]
	_, inEnv := l.values["password"]
	switch {
	case inFile && inEnv:
		l.mistakes.add(l.source("password-file"), "must not be combined with %s", l.source("password"))
	case !l.valid("user", "password", "password-file", "user-certificate", "auth"):
	case inFile || inEnv:
		if l.config.User == "" {
			l.mistakes.add("--user", "is missing: must be the name of the user with this password")
		}
	case l.command == Demo:
		l.config.Password = "demo"
	case l.config.User == "" && l.config.Auth != "": // S3 keys log in
		if l.config.UserCertificate != "" {
			l.mistakes.add(l.source("user-certificate")+" "+quoted(l.config.UserCertificate), "requires --user: a certificate cannot replace an S3 key")
		}
	case l.config.User == "":
		l.mistakes.add("--user", "is missing: must be a user name, with S3FTPD_PASSWORD or --password-file")
	case l.config.UserCertificate != "": // replaces the password
	default:
		l.mistakes.add(l.source("user")+" "+quoted(l.config.User), "must have a password: set S3FTPD_PASSWORD or --password-file")
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
