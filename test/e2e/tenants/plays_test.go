package tenants

// A play is a way to use a path.
type play struct {
	verb string
	run  func(a *attacker, path string)
}

// plays are all commands that take a path, and their variants.
var plays = []play{
	{"CWD", func(a *attacker, path string) {
		a.do("CWD " + path)
		a.do("PWD")
		a.receive("LIST")
		a.receive("MLSD")
		a.do("MLST")
		a.do("SIZE secret.txt")
		a.send("STOR made.txt")
		a.do("DELE made.txt")
		a.do("CDUP")
		a.receive("NLST")
		a.do("CWD " + a.start)
	}},
	{"XCWD", func(a *attacker, path string) {
		a.do("XCWD " + path)
		a.do("XPWD")
		a.receive("NLST *")
		a.do("XCUP")
		a.do("CWD ..")
		a.receive("RETR secret.txt")
		a.do("CWD " + a.start)
	}},
	{"SMNT", commands("SMNT ")},
	{"RETR", func(a *attacker, path string) {
		a.receive("RETR " + path)
		a.do("REST 3")
		a.receive("RETR " + path)
		a.do("TYPE A")
		a.receive("RETR " + path)
		a.do("TYPE I")
	}},
	{"STOR", func(a *attacker, path string) {
		a.send("STOR " + path)
		a.do("REST 3")
		a.send("STOR " + path)
		a.do("ALLO 5")
		a.send("STOR " + path)
	}},
	{"APPE", func(a *attacker, path string) {
		a.send("APPE " + path)
		a.do("REST 3")
		a.send("APPE " + path)
	}},
	{"STOU", func(a *attacker, path string) { a.send("STOU " + path) }},
	{"MKD", commands("MKD ")},
	{"XMKD", commands("XMKD ")},
	{"RNFR", func(a *attacker, path string) {
		a.do("RNFR " + path)
		a.do("RNTO moved")
		a.do("DELE moved")
		a.do("RMD moved")
	}},
	{"RNTO", func(a *attacker, path string) {
		for _, own := range []string{"own.txt", "dir"} {
			a.do("RNFR " + own)
			a.do("RNTO " + path)
		}
	}},
	{"DELE", commands("DELE ")},
	{"RMD", commands("RMD ")},
	{"XRMD", commands("XRMD ")},
	{"LIST", func(a *attacker, path string) {
		a.receive("LIST " + path)
		a.receive("LIST -la " + path)
		a.receive("LIST " + path + "/*")
		a.receive("LIST " + path + "*")
	}},
	{"NLST", func(a *attacker, path string) {
		a.receive("NLST " + path)
		a.receive("NLST -R " + path)
		a.receive("NLST " + path + "/*")
	}},
	{"MLSD", func(a *attacker, path string) { a.receive("MLSD " + path) }},
	{"MLST", commands("MLST ")},
	{"STAT", commands("STAT ", "STAT -R ")},
	{"SIZE", commands("SIZE ")},
	{"MDTM", commands("MDTM ", "MDTM 20200102030405 ")},
	{"MFMT", commands("MFMT 20200102030405 ")},
	{"HASH", func(a *attacker, path string) {
		a.do("HASH " + path)
		a.do("RANG 1 3")
		a.do("HASH " + path)
	}},
	{"XCRC", commands("XCRC ")},
	{"XMD5", commands("XMD5 ")},
	{"XSHA1", commands("XSHA1 ")},
	{"XSHA256", commands("XSHA256 ")},
	{"XSHA512", commands("XSHA512 ")},
	{"AVBL", commands("AVBL ")},
	{"SITE", func(a *attacker, path string) {
		for _, command := range []string{"", "UTIME 20200102030405 ", "CHMOD 644 ", "UMASK ", "IDLE ", "NAMEFMT ", "LISTFMT "} {
			a.do("SITE " + command + path)
		}
		a.do("SITE UTIME " + path + " 20200102030405 20200102030405 20200102030405 UTC")
	}},
	{"OPTS", commands("OPTS ", "OPTS MLST ", "OPTS HASH ")},
	{"HELP", commands("HELP ")},
	{"CLNT", commands("CLNT ")},
	{"ACCT", commands("ACCT ")},
}

// withoutPath are the commands that take no path. HOST must come before USER.
var withoutPath = []string{"ABOR", "ALLO", "AUTH", "CCC", "CDUP", "EPRT", "EPSV", "FEAT", "HOST", "MODE", "NOOP", "PASS", "PASV", "PBSZ",
	"PORT", "PROT", "PWD", "QUIT", "RANG", "REIN", "REST", "STRU", "SYST", "TYPE", "USER", "XCUP", "XPWD"}

// commands returns a play of commands on the control connection, to which the path is added.
func commands(begin ...string) func(*attacker, string) {
	return func(a *attacker, path string) {
		for _, b := range begin {
			a.do(b + path)
		}
	}
}
