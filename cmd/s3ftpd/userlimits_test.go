package main

import (
	"errors"
	"io"
	"net/textproto"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// The rate of a user holds for uploads and downloads. How the bytes spread over time is tested in proxy/grant.
func TestUserRate(t *testing.T) {
	file := usersFileOf(t, "", `
defaults: {bucket: invoices, prefix: "{user}/"}
users:
  - {name: alice, password: $alice, max-rate: {up: 100KiB, down: 100KiB}}
`, "alice")
	_, address := startUsers(t, embeddedKeys(t), file)
	alice := keyLogin(t, address, "alice", "pw-alice", 230)
	content := strings.Repeat("0123456789abcdef", 100<<10/16) // a second's bytes, of which a quarter may come at once
	for _, command := range []string{"STOR f", "RETR f"} {
		begin, sent := time.Now(), content
		if command == "RETR f" {
			sent = ""
		}
		if got := exchange(t, alice, command, sent); sent == "" && got != content {
			t.Errorf("%d bytes, want %d", len(got), len(content))
		}
		if took := time.Since(begin); took < time.Second/2 {
			t.Errorf("%s of %d bytes at 100 KiB a second takes %v", command, len(content), took)
		}
	}
}

// The sessions of a user share the limits, which are as the last one has found them. Without sessions, nothing is kept.
func TestLimitsOfUsers(t *testing.T) {
	var l limitsOfUsers
	one, other, two := l.take("alice"), l.take("bob"), l.take("alice")
	if one != two || one == other {
		t.Error("the limits of a user are not those of all the user's sessions, and of no others")
	}
	for _, user := range []string{"alice", "bob", "alice"} {
		if len(l.list) == 0 {
			t.Error("the limits are dropped before the last session has ended")
		}
		l.giveBack(user)
	}
	if len(l.list) > 0 {
		t.Errorf("%d limits are kept for users without sessions", len(l.list))
	}
}

// The bytes that a user has uploaded today are kept without a session, and only until the next day.
func TestDailyUploadWithoutSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l limitsOfUsers
		u := &config.User{Name: "alice", DailyUpload: 10}
		upload := func(content string) error {
			limits := l.take(u.Name)
			defer l.giveBack(u.Name)
			limits.set(u, nil)
			_, err := limits.below(u, storetest.NewMemory(), nil, "/").Put(t.Context(), "/f", storetest.Source(strings.NewReader(content)), proxy.Write{})
			return err
		}
		if first, second := upload("123456"), upload("123456"); first != nil || !errors.As(second, new(*proxy.LimitError)) {
			t.Errorf("two uploads: %v, %v", first, second)
		}
		<-time.After(24 * time.Hour)
		l.take("bob")
		if len(l.list) != 1 {
			t.Errorf("limits of %d users are kept", len(l.list))
		}
		if err := upload("123456"); err != nil {
			t.Errorf("on the next day: %v", err)
		}
	})
}

// The sizes that a user may upload hold through FTP, and SITE QUOTA and AVBL tell them.
func TestUserSizes(t *testing.T) {
	file := usersFileOf(t, "", `
defaults: {bucket: invoices, prefix: "{user}/"}
users:
  - {name: alice, password: $alice, max-file-size: 10, daily-upload: 25}
  - {name: bob, password: $bob, permissions: wo, max-file-size: 10, mounts: {/in: {prefix: bob/}}}
`, "alice", "bob")
	_, address := startUsers(t, embeddedKeys(t), file)
	alice, bob := keyLogin(t, address, "alice", "pw-alice", 230), keyLogin(t, address, "bob", "pw-bob", 230)
	exchange(t, alice, "STOR f", "0123456789")
	refuseAtLimit(t, alice, "APPE f", "a")
	expect(t, alice, "ALLO 11", 200)
	refuse(t, alice, "STOR g")
	expect(t, alice, "SIZE g", 550)
	exchange(t, alice, "STOR g", "0123456789")
	expect(t, alice, "ALLO 6", 200)
	refuse(t, alice, "STOR h")
	if text := expect(t, alice, "AVBL", 213); text != "5" {
		t.Errorf("AVBL replies %q, want 5", text)
	}
	if text := expect(t, alice, "SITE QUOTA", 211); !strings.Contains(text, "Largest file: 10 bytes") || !strings.Contains(text, "20 of 25 bytes") {
		t.Errorf("SITE QUOTA replies %q", text)
	}
	exchange(t, bob, "STOR /in/f", "01234567")
	exchange(t, bob, "APPE /in/f", "89") // though bob may not ask for the size
	refuseAtLimit(t, bob, "APPE /in/f", "a")
	if got := exchange(t, alice, "RETR f", ""); got != "0123456789" {
		t.Errorf("after a refused upload the file has %q", got)
	}
}

// refuseAtLimit sends an upload that is refused at the limit.
func refuseAtLimit(t *testing.T, c *textproto.Conn, command, content string) {
	t.Helper()
	data := openData(t, c)
	defer data.Close()
	expect(t, c, command, 150)
	io.WriteString(data, content)
	expect(t, c, "", 552)
}

// refuse sends an upload that is refused before its data connection opens.
func refuse(t *testing.T, c *textproto.Conn, command string) {
	t.Helper()
	expect(t, c, "EPSV", 229)
	expect(t, c, command, 552)
}
