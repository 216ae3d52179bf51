package sftp

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/access"
)

// An scpPlay is what a client sends for a command about the name x.
type scpPlay struct {
	needs         access.Needs
	message, then string // what follows if the message is accepted
}

var scpPlays = map[string]scpPlay{
	"scp -t x":    {opens["WRITE CREAT TRUNC"], "C0644 2 x\n", "45\x00"},
	"scp -r -t .": {with(access.Makes, access.Dir, 0), "D0755 0 x\n", "E\n"}, // a directory that exists is no mistake
	"scp -f x":    {opens["READ"], "\x00", "\x00\x00"},
	"scp -f x*":   {with(with(access.Lists, access.File, listed), access.Own, listed), "\x00", "\x00\x00"},
	"scp -r -f x": {with(opens["READ"], access.Dir, listed), "\x00", "\x00\x00\x00\x00"},
}

const listed = proxy.PermList | proxy.PermRead

// with returns needs with others for one state.
func with(needs access.Needs, s access.State, all proxy.Permissions) access.Needs {
	needs[s] = access.Need{All: all}
	return needs
}

// runSCP runs a command in the session of a user, and returns what the server sends.
func (a *accessTest) runSCP(command string) string {
	play := scpPlays[command]
	s := &scpScript{script: a.script}
	s.setups = append(s.setups, func(_ *Server, account *proxy.Account) { account.Store = a.granted })
	s.start(command)
	defer s.hangUp()
	if strings.Contains(command, "-t") {
		s.expect("\x00")
	}
	io.WriteString(s.conn, play.message)
	first := make([]byte, 1)
	if _, err := io.ReadFull(s.conn, first); err != nil {
		a.t.Fatalf("%s: %v", command, err)
	}
	if first[0] != 1 {
		io.WriteString(s.conn, play.then)
	}
	s.conn.CloseWrite()
	rest, err := io.ReadAll(s.conn)
	if err != nil {
		a.t.Fatalf("%s: %v", command, err)
	}
	return string(first) + string(rest)
}

// TestSCPPermissionMatrix is TestPermissionMatrix for SCP: the permissions of its commands are those of the requests that do the same.
func TestSCPPermissionMatrix(t *testing.T) {
	want := make(map[string]string) // answers and contents with all permissions
	for _, allowed := range access.Sets() {
		synctest.Test(t, func(t *testing.T) {
			for command, play := range scpPlays {
				for _, state := range access.States() {
					if state == access.Own && allowed&proxy.PermWrite == 0 {
						continue
					}
					a := newAccessTest(t, allowed, state)
					before := a.contents()
					reply := a.runSCP(command)
					after := a.contents()
					a.close()
					key := fmt.Sprintf("%s, %v", command, state)
					permitted := play.needs[state].IsMet(allowed)
					isDenied := strings.HasPrefix(reply, "\x01") && strings.Contains(reply, ": Permission denied.")
					switch result := reply + after; {
					case allowed == proxy.PermAll:
						want[key] = result
					case permitted && result != want[key]:
						t.Errorf("%v: %s: %q, and the store has\n%s\nwant\n%s", allowed, key, reply, after, want[key])
					case !permitted && (!isDenied || after != before):
						t.Errorf("%v: %s: %q, want Permission denied; the store had\n%s\nand has\n%s", allowed, key, reply, before, after)
					}
				}
			}
		})
	}
}
