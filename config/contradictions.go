package config

import (
	"slices"
	"strings"
)

// contradictions notes what cannot be meant although every single value is good.
func (l *loading) contradictions() {
	c := &l.config
	l.somethingIsListenedOn()
	l.certificateIsThere()
	l.versionsAgree()
	l.clientsAreCertified()
	l.ticketsAreThere()
	l.partsFit()
	l.keyHasUse()
	l.usersAreThere()
	if c.Bucket == "" && l.sound("bucket") {
		l.mistakes.add("--bucket", "is missing: which bucket is to be served?")
	}
	l.bucketIsNamedOnce()
	l.login()
}

// somethingIsListenedOn wants a listener, and no two on one address.
func (l *loading) somethingIsListenedOn() {
	c := &l.config
	switch {
	case !l.sound("ftp", "ftps"):
	case c.FTP == "" && c.FTPS == "":
		l.mistakes.add(l.where("ftp")+` ""`, "nothing would be listened on; an address such as :21 is wanted")
	case c.FTP == c.FTPS && !strings.HasSuffix(c.FTP, ":0"): // which is another port each time
		l.mistakes.add(l.where("ftps")+" "+quoted(c.FTPS), "is the address of --ftp too; the usual ones are :21 for --ftp and :990 for --ftps")
	}
}

// partsFit holds a part size that somebody asked for, not the default, against the memory: transfers take turns
// only if no part takes more than a quarter of it.
func (l *loading) partsFit() {
	c := &l.config
	if !l.chosen("part-size") || !l.sound("part-size", "memory") {
		return
	}
	if most := max(c.Memory/4, minPart); c.PartSize > most {
		l.mistakes.add(l.where("part-size")+" "+sizeText(c.PartSize), "must not be more than a quarter of %s, which is %s",
			l.where("memory"), sizeText(c.Memory))
	}
}

// login wants a user and one password. The demo has both by itself.
func (l *loading) login() {
	_, inFile := l.given["password-file"]
	_, inEnv := l.given["password"]
	switch {
	case inFile && inEnv:
		l.mistakes.add(l.where("password-file"), "there is %s too; one of them is enough", l.where("password"))
	case !l.sound("user", "password", "password-file", "user-certificate"):
	case inFile || inEnv:
		if l.config.User == "" {
			l.mistakes.add("--user", "is missing: whose password is it?")
		}
	case l.command == Demo:
		l.config.Password = "demo"
	case l.config.User == "":
		l.mistakes.add("--user", "is missing: who may log in? The password comes from S3FTPD_PASSWORD or --password-file")
	case l.config.UserCertificate != "": // stands for the password
	default:
		l.mistakes.add(l.where("user")+" "+quoted(l.config.User), "has no password: set S3FTPD_PASSWORD or use --password-file")
	}
}

// chosen tells whether a value is somebody's choice and not the default.
func (l *loading) chosen(name string) bool {
	return l.given[name].text != named(name).defaultIn(l.command)
}

// asked tells whether somebody gave a value, be it the default.
func (l *loading) asked(name string) bool {
	v, ok := l.given[name]
	return ok && v.where != byDefault(name)
}

// sound tells whether no value of these options was refused.
func (l *loading) sound(names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return l.bad[name] })
}

// where says where the value of an option comes from.
func (l *loading) where(name string) string {
	if v, ok := l.given[name]; ok {
		return v.where
	}
	return byDefault(name)
}

// byDefault is where the value of an option comes from that nobody gave.
func byDefault(name string) string { return "--" + name + " (default)" }
