package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
)

// disabledUsers returns the users of a file, none of whom needs a password.
func disabledUsers(t *testing.T, text string) *config.Users {
	t.Helper()
	users, err := config.ParseUsers("users.yaml", []byte("defaults: {bucket: invoices, disabled: true}\nusers:\n"+text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return users
}

// A home is checked in the innermost mount, unless it is a mount or above mounts.
func TestHomeOf(t *testing.T) {
	for home, want := range map[string]string{"/": " /", "/in": "a/ /", "/in/": "a/ /", "/in/x": "b/ /", "/in/x/y/z": "b/ /y/z", "/in/xy": "a/ /xy", "/out": " /"} {
		u := disabledUsers(t, "- {name: alice, home: "+home+", mounts: {/in/x: {prefix: b}, /in: {prefix: a}, /out/y: {prefix: c}}}").All()[0]
		if m, dir := homeOf(u); m.Prefix+" "+dir != want {
			t.Errorf("%s: %q in %q, want %q", home, dir, m.Prefix, want)
		}
	}
	if _, dir := homeOf(disabledUsers(t, "- {name: alice, home: /in/x, prefix: a}").All()[0]); dir != "/in/x" {
		t.Errorf("without mounts: %q", dir)
	}
}

// Users with the same home in the same place have it once.
func TestDistinctHomes(t *testing.T) {
	homes := distinctHomes(disabledUsers(t, `
- {name: alice, home: /in}
- {name: bob, home: /in}
- {name: carol, home: /in, prefix: carol}
- {name: dave}
`))
	if len(homes) != 2 || strings.Join(homes[0].users, " ") != "alice bob" || homes[1].mount.Prefix != "carol/" {
		t.Errorf("%+v", homes)
	}
}

// A cause that many users have is one line, which counts each user once.
func TestProblemsAreGathered(t *testing.T) {
	var out bytes.Buffer
	r := &report{w: &out}
	var found problems
	users := disabledUsers(t, `
- {name: alice, mounts: {/a: {prefix: a}, /b: {prefix: b}}}
- {name: bob, prefix: bob}
- {name: carol, bucket: reports}
- {name: dave, s3: {access-key: other, secret-key: hushhush}}
`)
	for _, p := range distinctPlaces(users) {
		found.add(t.Context(), r, placeResult{result: result{Status: statusFailed, Text: "does not work", Advice: "make it"}, place: p, cause: "x"})
	}
	found.print(t.Context(), r)
	want := `FAIL  user "alice" and 1 more: invoices/a/: does not work
      advice: make it
FAIL  user "carol": reports/: does not work
      advice: make it
FAIL  user "dave": invoices/: does not work
      advice: make it
`
	if out.String() != want || r.failed != 3 {
		t.Errorf("%d failed, got\n%s\nwant\n%s", r.failed, out.String(), want)
	}
}

func TestRefusesAll(t *testing.T) {
	later := time.Now().AddDate(1, 0, 0).Format(time.DateOnly)
	for text, want := range map[string]bool{
		"[]": true, "[{name: alice, disabled: true}]": true, "[{name: anonymous, password: any, expires: 2020-01-01}]": true,
		"[{name: anonymous, password: any}]": false, "[{name: anonymous, password: any, expires: " + later + "}]": false,
	} {
		users, err := config.ParseUsers("users.yaml", []byte("users: "+text), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := (&accounts{config: &config.Config{}}).refusesAll(users); got != want {
			t.Errorf("%s: %v", text, got)
		}
		if (&accounts{config: &config.Config{Auth: []string{config.S3Keys}}}).refusesAll(users) {
			t.Errorf("%s: with S3 keys too", text)
		}
	}
}
