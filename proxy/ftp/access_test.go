package ftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/access"
	"github.com/s3ftpd/s3ftpd/proxy/grant"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// prepared makes the state of the name x.
var prepared = map[access.State]func(*accessTest){
	access.Missing: func(*accessTest) {},
	access.File:    func(a *accessTest) { a.store("/x", "12345") },
	access.Own:     func(a *accessTest) { a.exchange("STOR x") },
	access.Dir:     func(a *accessTest) { a.store("/x/", "") },
	access.Upload:  (*accessTest).breakUpload,
}

// An accessCase is a command with its arguments, perhaps after others.
type accessCase struct {
	lines []string
	needs access.Needs
}

// accessCases are made from the table, so that a new command is tested too.
func accessCases() (cases []accessCase) {
	const stamp = "20260102030405 "
	ends := []string{"USER", "PASS", "REIN", "QUIT", "AUTH", "ABOR", "PASV", "EPSV", "PORT", "EPRT"} // and what needs no account
	for _, verb := range slices.Sorted(maps.Keys(commands)) {
		c, line := commands[verb], verb+" x"
		switch {
		case slices.Contains(ends, verb):
			continue
		case verb == "SITE":
			for _, site := range slices.Sorted(maps.Keys(siteCommands)) {
				line := "SITE " + site
				if siteCommands[site].arg == nameArg {
					line += " " + stamp + "x"
				}
				cases = append(cases, accessCase{[]string{line}, siteCommands[site].access})
			}
			continue
		case verb == "RNFR":
			cases = append(cases, accessCase{[]string{"RNFR x", "RNTO new"}, c.access})
			continue
		case verb == "RNTO":
			cases = append(cases, accessCase{[]string{"RNFR other", line}, c.access})
			continue
		case verb == "MFMT":
			line = verb + " " + stamp + "x"
		case c.arg != nameArg && len(validArguments[verb]) > 0:
			line = verb + " " + validArguments[verb][0]
		}
		cases = append(cases, accessCase{[]string{line}, c.access})
		if c.sets != (access.Needs{}) {
			cases = append(cases, accessCase{[]string{verb + " " + stamp + "x"}, c.sets})
		}
		if verb == "STOR" {
			cases = append(cases, accessCase{[]string{"REST 3", line}, c.access})
		}
		if verb == "APPE" {
			cases = append(cases, accessCase{[]string{"SIZE x", line}, c.access})
		}
	}
	return cases
}

// An accessTest runs commands of a user on a server.
type accessTest struct {
	*script
	uploads *grant.Uploads
	opened  bool // the last command has opened a data connection
}

// newAccessTest connects a client to a server on which the user has these permissions.
func newAccessTest(s *script, allowed proxy.Permissions) *accessTest {
	a := &accessTest{script: s}
	s.srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) {
		return proxy.Account{Store: grant.Permissions(s.store, grant.Rules{Allowed: allowed, Uploads: a.uploads})}, nil
	}
	s.login = false
	s.switchTo(1)
	<-s.replies
	return a
}

func (a *accessTest) store(name, content string) {
	a.script.store.Files[name] = storetest.MemoryFile{Name: name, Data: []byte(content), Time: time.Now()}
}

// breakUpload leaves a resumable upload of 3 bytes that the user has begun in another session.
func (a *accessTest) breakUpload() {
	store := grant.Permissions(a.script.store, grant.Rules{Allowed: proxy.PermAll, Uploads: a.uploads})
	src := storetest.Source(io.MultiReader(strings.NewReader("123"), iotest.ErrReader(errors.New("broken"))))
	if _, err := store.Put(a.t.Context(), "/x", src, proxy.Write{}); err == nil {
		a.t.Fatal("the upload did not break")
	}
}

// login begins a session in an empty store with what the state has.
func (a *accessTest) login(state access.State) {
	clear(a.script.store.Files)
	clear(a.script.store.Resumable)
	a.store("/other", "other")
	a.uploads = new(grant.Uploads)
	a.exchange("USER test")
	if reply := a.exchange("PASS secret"); !strings.HasPrefix(reply, "230 ") {
		a.t.Fatalf("login: %q", reply)
	}
	prepared[state](a)
}

// exchange runs a command, with its transfer, and returns the final reply with all its lines.
func (a *accessTest) exchange(line string) string {
	if verb, _ := split(line); isUpload(verb) || slices.Contains([]string{"RETR", "LIST", "NLST", "MLSD"}, verb) {
		a.keepAddress(a.command("PASV"))
	}
	return a.command(line)
}

func (a *accessTest) command(line string) string {
	a.send("C>", line)
	a.opened = false
	for above := ""; ; {
		reply, open := <-a.replies
		switch {
		case !open || len(reply) < 4:
			a.t.Fatalf("%s: the reply is %q", line, reply)
		case above != "" && (reply[3] != ' ' || reply[0] == ' '), reply[3] == '-':
			above += reply
		case reply[0] == '1':
			a.transferData()
		default:
			return above + strings.TrimSpace(reply)
		}
	}
}

// transferData sends 2 bytes, or receives all.
func (a *accessTest) transferData() {
	a.connectData(false)
	a.opened = true
	if !a.upload {
		io.Copy(io.Discard, a.in)
		return
	}
	if err := a.sendData("45"); err != nil {
		a.t.Fatal(err)
	}
	a.data.Close()
}

// run returns the final reply to the last of the lines, or to one that is refused before.
func (a *accessTest) run(lines []string) (reply string) {
	for i, line := range lines {
		if reply = a.exchange(line); i < len(lines)-1 && reply[0] > '3' && !strings.HasPrefix(line, "SIZE") {
			break
		}
	}
	return reply
}

// contents returns what the store has, without times.
func (a *accessTest) contents() string {
	var all []string
	for name, f := range a.script.store.Files {
		all = append(all, fmt.Sprintf("%s %q %v", name, f.Data, f.Time.UnixNano()))
	}
	for name, data := range a.script.store.Resumable {
		all = append(all, fmt.Sprintf("%s %q resumable", name, data))
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// TestPermissionMatrix runs each command, with each set of permissions, for each state of its name. What the table permits has the
// reply that a user with all permissions gets. All else is refused with 550 before the data connection opens, and changes nothing. A
// user who may not see files gets the same text whether one exists.
func TestPermissionMatrix(t *testing.T) {
	want := make(map[string]string) // replies with all permissions
	played, refused := 0, 0
	for _, allowed := range access.Sets() {
		t.Run(strings.ReplaceAll(allowed.String(), ", ", "+"), func(t *testing.T) {
			inBubble(t, func(s *script) {
				a := newAccessTest(s, allowed)
				for _, c := range accessCases() {
					texts := make(map[access.State]string)
					for _, state := range access.States() {
						if state == access.Own && allowed&proxy.PermWrite == 0 {
							continue
						}
						a.login(state)
						before, key := a.contents(), fmt.Sprint(c.lines, " of ", state)
						reply := a.run(c.lines)
						texts[state] = reply
						played++
						switch permitted := c.needs[state].IsMet(allowed); {
						case allowed == proxy.PermAll:
							want[key] = reply[:3]
						case permitted && reply[:3] != want[key]:
							t.Errorf("%s: %q, want %s", key, reply, want[key])
						case !permitted && (reply[:3] != "550" || a.opened || a.contents() != before):
							t.Errorf("%s: %q, want 550; the store had\n%s\nand has\n%s\ndata connection: %v", key, reply, before, a.contents(), a.opened)
						case !permitted:
							refused++
						}
					}
					hidden := allowed&(proxy.PermList|proxy.PermRead) == 0
					denied := !c.needs[access.Missing].IsMet(allowed) && !c.needs[access.File].IsMet(allowed)
					for _, state := range []access.State{access.Missing, access.File} {
						if reply := texts[state]; hidden && denied && reply != "550 Permission denied." {
							t.Errorf("%q of %s: %q tells whether a file exists", c.lines, state, reply)
						}
					}
				}
			})
		})
	}
	if played < 5000 || refused < 1000 {
		t.Errorf("only %d commands, %d of them refused", played, refused)
	}
}

// TestMatrixTestsSuccess: with all permissions the commands of the matrix succeed, each for some state.
func TestMatrixTestsSuccess(t *testing.T) {
	inBubble(t, func(s *script) {
		a := newAccessTest(s, proxy.PermAll)
		for _, c := range accessCases() {
			if c.needs == (access.Needs{}) {
				continue
			}
			var replies []string
			for _, state := range access.States() {
				a.login(state)
				replies = append(replies, a.run(c.lines))
			}
			if !slices.ContainsFunc(replies, func(r string) bool { return r[0] == '2' }) {
				t.Errorf("%q never succeeds: %q", c.lines, replies)
			}
		}
	})
}

// permLetters are commands for the letters of the fact perm, by the state of the name.
var permLetters = map[access.State]map[string][]string{
	access.File:   {"a": {"APPE x"}, "d": {"DELE x"}, "f": {"RNFR x", "RNTO new"}, "r": {"RETR x"}, "w": {"STOR x"}},
	access.Own:    {"a": {"APPE x"}, "d": {"DELE x"}, "f": {"RNFR x", "RNTO new"}, "r": {"RETR x"}, "w": {"STOR x"}},
	access.Dir:    {"c": {"STOR x/new"}, "d": {"RMD x"}, "e": {"CWD x"}, "f": {"RNFR x", "RNTO new"}, "l": {"LIST x"}, "m": {"MKD x/new"}},
	access.Upload: {"a": {"SIZE x", "APPE x"}, "d": {"DELE x"}, "w": {"STOR x"}},
}

// TestPermTellsTheTruth: with each set of permissions, the fact perm of MLST has a letter if and only if the command succeeds.
func TestPermTellsTheTruth(t *testing.T) {
	seen := 0
	for _, allowed := range access.Sets() {
		inBubble(t, func(s *script) {
			a := newAccessTest(s, allowed)
			for _, state := range access.States() {
				if state == access.Own && allowed&proxy.PermWrite == 0 {
					continue
				}
				for letter, lines := range permLetters[state] {
					a.login(state)
					_, facts, visible := strings.Cut(a.exchange("MLST x"), "perm=")
					a.login(state)
					reply := a.run(lines)
					perm, _, _ := strings.Cut(facts, ";")
					if visible {
						seen++
					}
					if succeeds := reply[0] == '2'; visible && succeeds != strings.Contains(perm, letter) {
						t.Errorf("%v: perm=%s of %s, and %q gets %q", allowed, perm, state, lines, reply)
					}
				}
			}
		})
	}
	if seen < 100 {
		t.Errorf("only %d names have the fact perm", seen)
	}
}

// TestUserPermissionsPage: docs/user-permissions.md has what the commands need.
func TestUserPermissionsPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/user-permissions.md")
	if err != nil {
		t.Fatal(err)
	}
	needs := make(map[string]access.Needs)
	for verb, c := range commands {
		if strings.HasPrefix(verb, "X") && len(verb) == 4 && commands[verb[1:]].run != nil {
			continue // an X form of RFC 775
		}
		needs[verb], needs[verb+" time"] = c.access, c.sets
	}
	for verb, c := range siteCommands {
		needs["SITE "+verb] = c.access
	}
	if want := access.Table("command", needs); access.Section(string(page), "commands") != want {
		t.Errorf("between <!-- commands --> and <!-- /commands --> docs/user-permissions.md must have\n%s", want)
	}
}
