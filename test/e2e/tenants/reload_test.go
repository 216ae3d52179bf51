package tenants

import (
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// A served is a running s3ftpd and its users file.
type served struct {
	*harness.Server
	t     *testing.T
	store *store
	file  string
}

// serveUsers starts s3ftpd with these users, each with a prefix of its own.
func serveUsers(t *testing.T, users string) *served {
	t.Helper()
	s := newStore(t)
	file := writeUsers(t, users)
	return &served{s.serve(t, users, "--users", file), t, s, file}
}

// login begins a session.
func (s *served) login(t testing.TB, user string) *harness.Client {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(3 * time.Minute))
	c := &harness.Client{T: t, Conn: textproto.NewConn(conn), Host: "127.0.0.1"}
	c.Expect(220)
	c.Cmd(331, "USER %s", user)
	c.Cmd(230, "PASS %s", password)
	c.Cmd(200, "TYPE I")
	return c
}

// replace replaces the users file in one step.
func (s *served) replace(users string) {
	s.t.Helper()
	if err := os.Rename(writeUsers(s.t, users), s.file); err != nil {
		s.t.Fatal(err)
	}
}

// reload replaces the users file, sends SIGHUP, and waits for a message in the log. It returns the entry.
func (s *served) reload(users, message string) map[string]any {
	s.t.Helper()
	mark := s.Log.Mark()
	s.replace(users)
	if err := s.Cmd.Process.Signal(syscall.SIGHUP); err != nil {
		s.t.Fatal(err)
	}
	return s.Log.AwaitFrom(s.t, mark, message)
}

// Messages of the log.
const (
	loaded  = "users"
	invalid = "new users file is invalid, keeping the current users"
)

// manyUsers returns a file of five users, which are all changed in each round.
func manyUsers(round int) string {
	var b strings.Builder
	b.WriteString("defaults: {bucket: files}\nusers:\n")
	for i := range 5 {
		user := (i + round) % 5 // the order changes too
		fmt.Fprintf(&b, "  - {name: user%d, password: HASH, prefix: %d/, max-transfers: %d, compat: {allo: hint}}\n", user, user, 2+round%3)
	}
	if round%2 == 0 {
		fmt.Fprintf(&b, "  - {name: other%d, disabled: true}\n", round)
	}
	return b.String()
}

// TestReloadDuringTransfers: no transfer fails while the users file is replaced each second.
func TestReloadDuringTransfers(t *testing.T) {
	t.Parallel()
	transfers, every, pause := 100, time.Second, 600*time.Millisecond
	if testing.Short() {
		transfers, every, pause = 10, 100*time.Millisecond, 60*time.Millisecond
	}
	s := serveUsers(t, manyUsers(0))
	done := make(chan struct{})
	go func() {
		defer close(done)
		users := map[string]int{"user0": 0, "user1": 1, "user2": 2, "user3": 3, "user4": 4}
		harness.SomeAtOnce(t, len(users), users, func(t *testing.T, user string, _ int) {
			c := s.login(t, user)
			tick := time.NewTicker(pause)
			defer tick.Stop()
			for n := range transfers / 2 {
				transfer(c, fmt.Sprintf("file%d", n), tick.C)
			}
		})
	}()
	tick := time.NewTicker(every)
	defer tick.Stop()
	rounds := 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-tick.C:
			rounds++
			s.reload(manyUsers(rounds), loaded)
		}
	}
	keys := s.store.files.Keys("")
	if want := 5 * transfers / 2; len(keys) != want || rounds < 3 {
		t.Errorf("%d objects after %d reloads, want %d", len(keys), rounds, want)
	}
}

// transfer uploads a file in two halves, with a pause between, and downloads it, with a pause too.
func transfer(c *harness.Client, name string, pause <-chan time.Time) {
	content, err := io.ReadAll(io.LimitReader(harness.Noise(name), 64*harness.KiB))
	if err != nil {
		c.T.Fatal(err)
	}
	half := len(content) / 2
	data := c.Open("STOR %s", name)
	data.Write(content[:half])
	<-pause
	data.Write(content[half:])
	data.Close()
	c.Expect(226)
	data = c.Open("RETR %s", name)
	<-pause
	got, err := io.ReadAll(data)
	c.Expect(226)
	if err != nil || string(got) != string(content) {
		c.T.Errorf("%s: %d bytes, %v", name, len(got), err)
	}
}

// alone returns a file of one user and others.
func alone(user string) string {
	return "defaults: {bucket: files}\nusers:\n  - {name: stays, password: HASH, prefix: stays/}\n" + user
}

// TestUserRemoved: sessions of a removed, a disabled and an expired user end with 421, an upload at its end.
func TestUserRemoved(t *testing.T) {
	const leaver = "  - {name: leaver, password: HASH, prefix: leaver/"
	for name, after := range map[string]string{"removed": "", "disabled": leaver + ", disabled: true}", "expired": leaver + ", expires: 2020-01-01}"} {
		t.Run(name, func(t *testing.T) {
			s := serveUsers(t, alone(leaver+"}"))
			idle, busy, other := s.login(t, "leaver"), s.login(t, "leaver"), s.login(t, "stays")
			data := busy.Open("STOR upload")
			io.WriteString(data, "first half, ")
			s.reload(alone(after), loaded)
			idle.Expect(421)
			io.WriteString(data, "second half")
			data.Close()
			busy.Expect(226)
			busy.Expect(421)
			if _, err := busy.Conn.ReadLine(); err != io.EOF {
				t.Errorf("after 421: %v", err)
			}
			s.store.files.Put("want", "first half, second half")
			if got, want := s.store.files.Sum("leaver/upload"), s.store.files.Sum("want"); got != want {
				t.Errorf("the upload has the sum %s, want %s", got, want)
			}
			other.Cmd(200, "NOOP")
			other.Cmd(331, "USER leaver")
			other.Cmd(530, "PASS %s", password)
		})
	}
}

// TestUserChanged: changed permissions and places hold for the next command of a running session.
func TestUserChanged(t *testing.T) {
	user := func(more string) string { return alone("  - {name: changes, password: HASH, " + more + "}") }
	s := serveUsers(t, user("prefix: one/"))
	c := s.login(t, "changes")
	c.Store("file", strings.NewReader(ownContent))
	for _, step := range []struct {
		more        string
		stor, retr  int
		dele, nlist int
	}{
		{"prefix: one/, permissions: ro", 550, 226, 550, 226},
		{"prefix: one/, permissions: [write, overwrite]", 226, 550, 550, 550},
		{"prefix: one/, permissions: [list]", 550, 550, 550, 226},
		{"prefix: two/", 226, 550, 550, 226},
		{"mounts: {/m: {prefix: one/}}", 550, 550, 550, 226},
		{"prefix: one/", 226, 226, 250, 226},
	} {
		s.reload(user(step.more), loaded)
		if code, text := c.Transfer("RETR file"); code != step.retr {
			t.Errorf("RETR with %s: %d %s, want %d", step.more, code, text, step.retr)
		}
		if code, text := c.Transfer("NLST"); code != step.nlist {
			t.Errorf("NLST with %s: %d %s, want %d", step.more, code, text, step.nlist)
		}
		data := c.Dial()
		code, text := c.Do("STOR new")
		data.Close()
		if code == 150 {
			code, text = c.Reply()
		}
		if code != step.stor {
			t.Errorf("STOR with %s: %d %s, want %d", step.more, code, text, step.stor)
		}
		if code, text := c.Do("DELE file"); code != step.dele {
			t.Errorf("DELE with %s: %d %s, want %d", step.more, code, text, step.dele)
		}
	}
	if keys := s.store.files.Keys(""); strings.Join(keys, " ") != "one/new two/new" {
		t.Errorf("the keys are %q", keys)
	}
}

// TestUsersFileBroken: an invalid file keeps the users, and the log says why.
func TestUsersFileBroken(t *testing.T) {
	s := serveUsers(t, alone(""))
	c := s.login(t, "stays")
	for broken, why := range map[string]string{
		"users: [{name: stays":                                      "not valid YAML",
		alone("  - {name: new, prefixx: new/, password: HASH}"):     "users.yaml:4:17: user \"new\": prefixx: no such key; did you mean prefix?",
		alone("  - {name: stays, password: HASH}"):                  "stays",
		alone("  - {name: new, password: HASH, prefix: ../stays/}"): "prefix",
		alone("  - {name: new, password: plain}"):                   "must be a hash",
		"":         "users",
		"\x00\xff": "control character",
		alone("  - {name: new, password: HASH, allow-from: [192.0.2.0/24, banana]}"): "banana",
	} {
		entry := s.reload(broken, invalid)
		if err := fmt.Sprint(entry["err"]); !strings.Contains(err, why) {
			t.Errorf("%q: the log says %q, want %q", broken, err, why)
		}
		c.Store("file", strings.NewReader(ownContent))
		s.login(t, "stays")
	}
	if testing.Short() {
		return
	}
	mark := s.Log.Mark()
	s.replace(alone("  - {name: new, password: HASH, prefix: new/}"))
	s.Log.AwaitFrom(t, mark, loaded) // without SIGHUP
	s.login(t, "new")
}
