package ftp

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing/synctest"
	"time"
)

// A program encodes the actions of a client in bytes. Each command has one byte for the verb, one for the argument, one for the format
// and one for the behaviour during a transfer.
type program []byte

func (p *program) next() byte {
	if len(*p) == 0 {
		return 0
	}
	b := (*p)[0]
	*p = (*p)[1:]
	return b
}

// verbs are all commands, and some unknown ones.
var verbs = sync.OnceValue(func() []string {
	return append(slices.Sorted(maps.Keys(commands)), "", "FLY", "NO-OP", "STOR\x00", strings.Repeat("N", maxLine+1))
})

// validArguments are valid arguments of commands.
var validArguments = map[string][]string{
	"USER": {"test", "x"}, "PASS": {"secret", "wrong"}, "CWD": {"/", "d", "~", "..", "none"}, "TYPE": {"A", "I", "L 8", "a n", "E"},
	"PORT": {"192,0,2,7,200,1", "192,0,2,7,4,0", "127,0,0,1,4,1"}, "EPRT": {"|1|192.0.2.7|51201|", "|2|::1|5|"}, "EPSV": {"", "1", "2", "ALL"},
	"PASV": {""}, "RETR": {"a", "d/b.txt", "d"}, "STOR": {"a", "new", "d/b.txt", "d", "x/y"}, "STOU": {"", "a", "d/c.pdf"},
	"APPE": {"a", "new", "x/y"}, "ALLO": {"15", "3", "15 R 80"}, "REST": {"0", "3", "7", "100"}, "DELE": {"a", "d/b.txt", "new", "d"},
	"RNFR": {"a", "d", "new"}, "RNTO": {"a", "e", "new", "d/f"}, "MKD": {"d", "m", "d/n"}, "XMKD": {"m"}, "RMD": {"m", "d", "d/n"}, "XRMD": {"m"},
	"LIST": {"", "-la", "d", "*", "a"}, "NLST": {"", "-l d", "d/*", "a"}, "MLSD": {"", "d"}, "MLST": {"", "a"}, "SIZE": {"a", "new"},
	"MDTM": {"a"}, "MFMT": {"20260102030405 a"}, "HASH": {"a"}, "RANG": {"0 3", "1 0"}, "XCRC": {"a", "\"a\" 0 3"}, "XMD5": {"a"},
	"STAT": {"", "/", "a"}, "OPTS": {"UTF8 ON", "MLST size;", "HASH MD5", "MODE Z LEVEL 9"}, "MODE": {"S", "Z"}, "STRU": {"F", "R"},
	"SITE": {"UTIME 20260102030405 a", "UTIME a 20260102030405 20260102030405 20260102030405 UTC", "CHMOD 644 a", "IDLE 60", "HELP", "NAMEFMT 1", "EXEC ls"},
	"HOST": {"ftp.example"}, "AUTH": {"TLS"}, "PBSZ": {"0"}, "PROT": {"P", "C"}, "HELP": {"", "SITE"}, "QUIT": {""}, "REIN": {""},
	"ABOR": {""}, "NOOP": {""}, "PWD": {""}, "CDUP": {""}, "FEAT": {""}, "SYST": {""}, "AVBL": {"", "d"},
}

// unusualArguments are arguments for any command.
var unusualArguments = []string{"", " ", "a", "/", "//a", "../../a", "d/", "x y", "*", "[", "?", "-", "--", "-la", "~", "~/a", "none/none", "\"a\"", "a\x01", "a\rb",
	"\xc3", "\u0085", "h\u00e9", "-1", "0", "9223372036854775807", "99999999999999999999", "0 0", "1 0", "|", "||||", ",,,,,", "%s%n", "a;b=c; d",
	"NaN", ".", "...", "\\a", strings.Repeat("n", 1100), strings.Repeat("n/", 600), strings.Repeat("[", 200), strings.Repeat("*a", 100)}

// line returns the next command line.
func (p *program) line() string {
	list := verbs()
	verb, arg := list[int(p.next())%len(list)], ""
	switch a := int(p.next()); {
	case a < 128 && len(validArguments[verb]) > 0:
		arg = validArguments[verb][a%len(validArguments[verb])]
	case a < 240:
		arg = unusualArguments[a%len(unusualArguments)]
	default:
		for range a - 240 {
			arg += string(rune(p.next())) // in UTF-8, so never a Telnet IAC
		}
		arg = strings.ReplaceAll(arg, "\n", "")
	}
	end := "\r\n"
	switch p.next() % 4 {
	case 1:
		verb = strings.ToLower(verb)
	case 2:
		end = "\n"
	case 3:
		verb = "\xff\xf1" + verb
	}
	if arg != "" {
		verb += " "
	}
	return verb + arg + end
}

// encode returns the program that sends these lines. Their verbs and arguments must be in verbs and validArguments.
func encode(lines string, how byte) (p []byte) {
	for line := range strings.Lines(lines) {
		verb, arg := split(strings.TrimSuffix(line, "\n"))
		p = append(p, 0, byte(slices.Index(verbs(), verb)), byte(slices.Index(validArguments[verb], arg)), 0, how)
	}
	return p
}

// storeErrors are errors of the store.
var storeErrors = []error{errors.New("down"), fs.ErrPermission, fs.ErrExist, fs.ErrInvalid, syscall.ENOBUFS, syscall.EFBIG, errors.ErrUnsupported}

// event sometimes changes something between two lines: time passes, or the store fails, becomes slow, or recovers. It reports whether it
// did.
func (p *program) event(s *script) bool {
	b := p.next()
	if b < 200 {
		return false
	}
	s.store.Lock()
	name := []string{"/", "/a", "/d", "/new", "/x/y"}[int(p.next())%5]
	switch b % 5 {
	case 0:
		s.store.Fail[name] = storeErrors[int(p.next())%len(storeErrors)]
	case 1:
		s.store.Breaks[name] = int(p.next()) % 3
	case 2:
		s.store.Slow[name] = time.Minute
	case 3:
		clear(s.store.Fail)
		clear(s.store.Breaks)
	}
	s.store.Unlock()
	if b%5 == 4 {
		<-time.After(time.Duration(p.next()) * time.Second / 8)
		synctest.Wait()
	}
	return true
}

// seedSessions are the seeds of FuzzSession.
var seedSessions = []string{
	"NOOP\nSTOR a\nUSER test\nPASS wrong\nUSER test\nPASS secret\nPWD\nREIN\nDELE a\nQUIT",
	"USER test\nPASS secret\nEPSV\nSTOR new\nSIZE new\nREST 7\nEPSV\nSTOR new\nEPSV\nAPPE new\nEPSV\nRETR a\nDELE new",
	"USER test\nPASS secret\nTYPE A\nPORT 192,0,2,7,200,1\nSTOR a\nPORT 192,0,2,7,200,1\nRETR a\nEPRT |1|192.0.2.7|51201|\nLIST -la",
	"USER test\nPASS secret\nPASV\nALLO 15\nSTOR x/y\nPASV\nSTOU d/c.pdf\nPASV\nNLST d/*\nPASV\nMLSD d\nSTAT /\nMLST a",
	"USER test\nPASS secret\nMODE Z\nEPSV\nSTOR new\nEPSV\nAPPE new\nEPSV\nRETR new\nEPSV\nLIST\nTYPE A\nPASV\nRETR a\nMODE S\nPASV\nRETR a",
	"USER test\nPASS secret\nMKD m\nCWD d\nCDUP\nRNFR a\nRNTO e\nRMD m\nMFMT 20260102030405 a\nSITE CHMOD 644 a\nFEAT\nHELP SITE",
	"USER test\nPASS secret\nHASH a\nRANG 0 3\nHASH a\nXCRC \"a\" 0 3\nOPTS HASH MD5\nEPSV ALL\nPASV\nABOR\nQUIT",
}
