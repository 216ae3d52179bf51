package observe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

var (
	errCut = errors.New("cut")
	alice  = proxy.SessionInfo{ID: "0a1b", Protocol: "ftp", Client: netip.MustParseAddrPort("192.0.2.7:1025"), User: "alice"}
)

// lineTests are events with their lines.
var lineTests = []struct {
	event proxy.Event
	level string
	line  string // the message, and the attributes after those of the session
}{
	{event.SessionStart{}, "INFO", `"session begins","implicit":false`},
	{event.SessionStart{Probe: true}, "DEBUG", `"session begins","implicit":false`},
	{event.SessionEnd{Probe: true}, "DEBUG", `"session ends","seconds":0`},
	{event.SessionEnd{Duration: 1500 * time.Millisecond, Err: errCut}, "INFO", `"session ends","seconds":1.5,"err":"cut"`},
	{event.SessionRefused{Code: 421, Err: proxy.ErrTooManySessions}, "WARN", `"session refused","code":421,"err":"too many sessions"`},
	{event.SessionRefused{Code: 421, Err: fmt.Errorf("%w: x", proxy.ErrBanned)}, "DEBUG",
		`"session refused","code":421,"err":"banned after too many failed logins: x"`},
	{event.ClientSoftware{Name: "camera"}, "DEBUG", `"client","name":"camera"`},
	{event.Panic{Where: "command", Err: errCut}, "ERROR", `"session panics","where":"command","err":"cut"`},
	{event.LoginOK{Method: proxy.ByPassword}, "INFO", `"login","method":"password"`},
	{event.LoginOK{Method: proxy.ByPublicKey, Key: "SHA256:x"}, "INFO", `"login","method":"publickey","key":"SHA256:x"`},
	{event.LoginOK{Method: proxy.ByPublicKey, Key: "SHA256:x", Certificate: "of y"}, "INFO", `"login","method":"publickey","key":"SHA256:x","certificate":"of y"`},
	{event.LoginRefused{User: "bob", Method: proxy.ByPassword, Code: 530, Err: errCut}, "WARN",
		`"login refused","user":"bob","method":"password","code":530,"err":"cut"`},
	{event.LoginRefused{User: "bob", Method: proxy.ByPassword, Code: 421, Err: proxy.ErrBanned}, "DEBUG",
		`"login refused","user":"bob","method":"password","code":421,"err":"banned after too many failed logins"`},
	{event.Banned{Address: netip.MustParsePrefix("2001:db8::/64"), User: "bob", Duration: 30 * time.Minute, Err: errCut}, "WARN",
		`"banned","address":"2001:db8::/64","user":"bob","seconds":1800,"err":"cut"`},
	{event.LoginUndecided{User: "bob", Method: proxy.ByPassword, Code: 530, Err: errCut}, "ERROR",
		`"login undecided","user":"bob","method":"password","code":530,"err":"cut"`},
	{event.CertificateInsufficient{User: "bob", Err: errCut}, "DEBUG",
		`"certificate alone does not log in","user":"bob","method":"certificate","err":"cut"`},
	{event.Command{Command: "SIZE", Name: "a"}, "DEBUG", `"command","command":"SIZE","name":"a"`},
	{event.CommandFailed{Command: "SIZE", Name: "a", Code: 550, Cause: event.CauseServer, Err: errCut}, "WARN",
		`"command failed","command":"SIZE","name":"a","code":550,"cause":"server","err":"cut"`},
	{event.CommandFailed{Command: "SIZE", Code: 550, Cause: event.CauseRequest, Err: errCut}, "INFO",
		`"command failed","command":"SIZE","code":550,"cause":"request","err":"cut"`},
	{event.CommandFailed{Command: "SIZE", Code: 550, Cause: event.CauseRequest, Err: errCut, Frequent: true}, "DEBUG",
		`"command failed","command":"SIZE","code":550,"cause":"request","err":"cut"`},
	{event.TransferEnd{Direction: proxy.Upload, Command: "STOR", Name: "/a", Bytes: 5, Duration: time.Second, Code: 226}, "INFO",
		`"transfer","command":"STOR","name":"/a","direction":"upload","bytes":5,"seconds":1,"code":226`},
	{event.TransferEnd{Direction: proxy.Upload, Command: "STOR", Name: "/a", Offset: 7, Duration: time.Second, Code: 550, Cause: event.CauseRequest,
		Err: errCut}, "INFO",
		`"transfer","command":"STOR","name":"/a","direction":"upload","bytes":0,"offset":7,"seconds":1,"code":550,"cause":"request","err":"cut"`},
	{event.TransferEnd{Direction: proxy.Listing, Command: "LIST", Name: "/", Duration: time.Second, Code: 451, Cause: event.CauseServer, Err: errCut}, "WARN",
		`"transfer","command":"LIST","name":"/","direction":"list","bytes":0,"seconds":1,"code":451,"cause":"server","err":"cut"`},
	{event.FileDelete{Name: "/a"}, "INFO", `"delete","name":"/a"`},
	{event.Rename{Name: "/a", To: "/b"}, "INFO", `"rename","name":"/a","to":"/b"`},
	{event.SetTime{Name: "/a", Time: time.Unix(0, 0).UTC()}, "INFO", `"set time","name":"/a","mtime":"1970-01-01T00:00:00Z"`},
	{event.Mkdir{Name: "/d"}, "INFO", `"mkdir","name":"/d"`},
	{event.Rmdir{Name: "/d"}, "INFO", `"rmdir","name":"/d"`},
	{event.AcceptFailed{Address: "192.0.2.1:21", Err: errCut}, "WARN", `"cannot accept a connection, retrying","address":"192.0.2.1:21","err":"cut"`},
	{event.TLSHandshake{Version: "TLS 1.3", Cipher: "AES"}, "INFO", `"TLS","version":"TLS 1.3","cipher":"AES"`},
	{event.TLSLegacy{Version: "TLS 1.0", Cipher: "CBC"}, "WARN", `"legacy TLS","version":"TLS 1.0","cipher":"CBC"`},
	{event.SSHHandshake{KeyExchange: "K", HostKey: "H", Cipher: "C"}, "INFO", `"SSH","kex":"K","hostkey":"H","cipher":"C"`},
	{event.SSHHandshake{KeyExchange: "K", HostKey: "H", Cipher: "C", MAC: "M"}, "INFO", `"SSH","kex":"K","hostkey":"H","cipher":"C","mac":"M"`},
	{event.SSHLegacy{Algorithms: "ssh-rsa"}, "WARN", `"legacy SSH","algorithms":"ssh-rsa"`},
	{event.DataOpen{Mode: "active"}, "DEBUG", `"data connection","mode":"active"`},
	{event.DataOpen{Mode: "passive", TLS: "TLS 1.3", Resumed: true}, "DEBUG",
		`"TLS on the data connection","mode":"passive","version":"TLS 1.3","resumed":true`},
	{event.PassiveExhausted{Code: 425, Err: errCut}, "WARN", `"no passive port","code":425,"err":"cut"`},
	{event.PassiveUnresolved{Code: 425, Err: errCut}, "ERROR", `"no passive address","code":425,"err":"cut"`},
	{event.EventsDelayed{Waiting: 7, Err: errCut}, "WARN", `"events delayed, retrying","waiting":7,"err":"cut"`},
	{event.EventsDropped{Count: 7, Err: errCut}, "WARN", `"events dropped","count":7,"err":"cut"`},
}

// lineFor returns the line for an event, without its time.
func lineFor(ctx context.Context, e proxy.Event) string {
	var b bytes.Buffer
	Log(slog.New(jsonHandler(&b))).Observe(ctx, e)
	return strings.TrimSpace(b.String())
}

func jsonHandler(b *bytes.Buffer) slog.Handler {
	return slog.NewJSONHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
}

func TestLogWritesOneLinePerEvent(t *testing.T) {
	tested := make(map[string]bool)
	for _, c := range lineTests {
		tested[c.event.Kind()] = true
		info := alice
		info.User = ""
		message, rest, _ := strings.Cut(c.line, `",`)
		if message = strings.TrimSuffix(message, `"`) + `"`; rest != "" {
			rest = "," + rest
		}
		want := fmt.Sprintf(`{"level":%q,"msg":%s,"event":%q,"session":"0a1b","protocol":"ftp","client":"192.0.2.7","peer":"192.0.2.7:1025"%s}`,
			c.level, message, c.event.Kind(), rest)
		if got := lineFor(proxy.WithSession(t.Context(), info), c.event); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	for _, kind := range kinds(t) {
		if !tested[kind] {
			t.Errorf("lineTests lacks %s", kind)
		}
	}
	if got := lineFor(proxy.WithSession(t.Context(), alice), event.LoginOK{}); !strings.Contains(got, `"peer":"192.0.2.7:1025","user":"alice"}`) {
		t.Errorf("after a login: %s", got)
	}
	if got := lineFor(t.Context(), event.Mkdir{}); got != `{"level":"INFO","msg":"mkdir","event":"dir.make"}` {
		t.Errorf("without a session: %s", got)
	}
}

// An unknownEvent is of no type that the log knows.
type unknownEvent struct{ N int }

func (unknownEvent) Kind() string { return "unknown.event" }

func TestLogUnknownEvent(t *testing.T) {
	if got := lineFor(t.Context(), unknownEvent{7}); got != `{"level":"INFO","msg":"unknown.event","event":"unknown.event","details":{"N":7}}` {
		t.Error(got)
	}
}

// docs/logs.md must have a row for each event, with exactly its keys and its level.
func TestEventsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/logs.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `([a-z.]+)` \\|.*\\| (.*) \\| (.*) \\|$")
	type documented struct {
		keys  map[string]bool
		level string
	}
	rows := make(map[string]documented)
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		keys := make(map[string]bool)
		for _, key := range regexp.MustCompile("`([a-z]+)`").FindAllStringSubmatch(m[2], -1) {
			keys[key[1]] = false
		}
		rows[m[1]] = documented{keys, m[3]}
	}
	for _, c := range lineTests {
		row, ok := rows[c.event.Kind()]
		if !ok {
			t.Errorf("docs/logs.md has no row for %s", c.event.Kind())
			continue
		}
		var line map[string]any
		if err := json.Unmarshal([]byte(lineFor(t.Context(), c.event)), &line); err != nil {
			t.Fatal(err)
		}
		for key := range line {
			if _, ok := row.keys[key]; !ok && !slices.Contains([]string{"level", "msg", "event"}, key) {
				t.Errorf("the row of %s lacks the key %s", c.event.Kind(), key)
			}
			row.keys[key] = true
		}
		levels := strings.TrimSuffix(strings.TrimSuffix(row.level, " for a probe"), " if banned")
		if !strings.HasPrefix(row.level, "by `cause`") && !slices.Contains(strings.Split(levels, ", "), strings.ToLower(c.level)) {
			t.Errorf("%s is documented at level %s, but logged at %s", c.event.Kind(), row.level, c.level)
		}
	}
	for kind, row := range rows {
		for key, seen := range row.keys {
			if !seen {
				t.Errorf("the row of %s has the key %s, but no line has it", kind, key)
			}
		}
	}
}

// kinds returns the kinds of all events, from the source of package event.
func kinds(t *testing.T) (all []string) {
	t.Helper()
	files, err := filepath.Glob("../event/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\) Kind\(\) string \{ return "(.*)" \}`).FindAllStringSubmatch(string(text), -1) {
			all = append(all, m[1])
		}
	}
	if len(all) == 0 {
		t.Fatal("no Kind method found in package event")
	}
	return all
}

func TestAllPassesEventToEach(t *testing.T) {
	var one, two bytes.Buffer
	All(Log(slog.New(jsonHandler(&one))), Log(slog.New(jsonHandler(&two)))).Observe(t.Context(), event.Mkdir{Name: "/d"})
	if one.Len() == 0 || one.String() != two.String() {
		t.Errorf("the first wrote %q, the second %q; want the same line", one.String(), two.String())
	}
}
