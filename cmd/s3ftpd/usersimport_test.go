package main

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/config"
)

var update = flag.Bool("update", false, "write the results of this version to testdata")

// The imported files and the notes are those in testdata. The files load, and neither has a hash or a key that is not taken over.
func TestUsersImport(t *testing.T) {
	for _, c := range []struct{ kind, file string }{{"htpasswd", "htpasswd"}, {"sftpgo", "sftpgo.json"}} {
		code, out, notes := output(t, "", nil, "users", "import", c.kind, filepath.Join("testdata", c.file))
		if code != 0 {
			t.Fatalf("%s: exit code %d, %s", c.kind, code, notes)
		}
		golden(t, c.kind+".yaml", out)
		golden(t, c.kind+".notes", notes)
		if text := strings.ReplaceAll(out, "hushhush-plain", ""); strings.Contains(text, "hush") || strings.Contains(notes, "hush") {
			t.Errorf("%s: a secret in\n%s%s", c.kind, text, notes)
		}
		if _, err := config.ParseUsers("imported.yaml", []byte(out), &config.Config{Bucket: "invoices", TLSClientCA: "ca.pem", SFTP: ":22"}); err != nil {
			t.Errorf("%s: %v", c.kind, err)
		}
		for note := range strings.Lines(notes) {
			if _, text, _ := strings.Cut(note, ": "); !strings.Contains(out, "# "+printable(text)) && !strings.Contains(out, text[strings.Index(text, ": ")+2:]) {
				t.Errorf("%s: no comment %s", c.kind, note)
			}
		}
	}
}

// golden compares a result with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil || got != string(want) {
		t.Errorf("%s: %v, got\n%s", name, err, got)
	}
}

// A restriction that cannot be taken over disables the user, so that nobody can do more than before.
func TestImportedRestrictions(t *testing.T) {
	const hash = `"password": "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"`
	for restriction, active := range map[string]bool{
		`"status": 1`:     true,
		`"status": 0`:     false,
		`"quota_size": 5`: true,
		`"filters": {"denied_protocols": ["FTP"]}`:                                                           true,
		`"filters": {"denied_protocols": ["SSH"]}`:                                                           true,
		`"filters": {"denied_protocols": ["SSH", "FTP"]}`:                                                    false,
		`"filters": {"denied_login_methods": ["password"]}`:                                                  false,
		`"filters": {"denied_login_methods": ["password", "TLSCertificate"], "tls_username": "CommonName"}`:  true, // both
		`"filters": {"denied_ip": ["192.0.2.0/24"]}`:                                                         false,
		`"filters": {"allowed_ip": ["example.com"]}`:                                                         false,
		`"filters": {"file_patterns": [{"path": "/"}]}`:                                                      false,
		`"filters": {"access_time": [{}]}`:                                                                   false,
		`"filters": {"2fa_protocols": ["FTP"]}`:                                                              false,
		`"filters": {"two_factor_protocols": ["SSH"]}`:                                                       false,
		`"filters": {"two_factor_protocols": ["SSH"], "denied_protocols": ["SSH"]}`:                          true,
		`"groups": [{"name": "unknown", "type": 1}]`:                                                         false,
		`"groups": [{"name": "unknown", "type": 3}]`:                                                         true,
		`"permissions": {"/": ["*"], "/out": ["list"]}`:                                                      false,
		`"permissions": {"/": ["list"], "/out": ["list", "chtimes"]}`:                                        true,
		`"permissions": {"/": ["chmod"]}`:                                                                    false,
		`"filesystem": {"provider": 1, "s3config": {"bucket": "../x"}}`:                                      false,
		`"filesystem": {"provider": 1, "s3config": {"bucket": "a-a", "key_prefix": "../"}}`:                  false,
		`"filesystem": {"provider": 1, "s3config": {"bucket": "a-a", "sse_customer_key": {"payload": "x"}}}`: false,
	} {
		permissions := `"permissions": {"/": ["*"]}, `
		if strings.Contains(restriction, "permissions") {
			permissions = ""
		}
		all, err := readSFTPGo([]byte(`[{"username": "alice", ` + permissions + hash + `, ` + restriction + `}]`))
		if err != nil || len(all) != 1 || all[0].disabled == active {
			t.Errorf("%s: %+v, %v", restriction, all, err)
		}
	}
}

// The keys that a user of SFTPGo gets for its ways to log in.
func TestImportedLogins(t *testing.T) {
	const hash, key = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC0sNZnWyvkPP2nGiG6sSvATKDabXliNuv/HlSoNgTN+"
	const password, keys = "password: \"" + hash + "\"", "public-keys:\n      - \"" + key + "\""
	const both, certificate, other = "second-factor: [password, public-key]", "certificate: alice", "second-factor: [password, certificate]"
	for filters, want := range map[string][]string{
		`{}`:                                     {password, keys},
		`{"denied_login_methods": ["password"]}`: {keys},
		`{"denied_login_methods": ["publickey"]}`:                                                                      {password},
		`{"denied_login_methods": ["publickey", "password", "keyboard-interactive"]}`:                                  {password, keys, both},
		`{"denied_login_methods": ["publickey", "password", "publickey+password", "publickey+keyboard-interactive"]}`:  {"disabled"},
		`{"denied_login_methods": ["password-over-SSH"]}`:                                                              {password, keys, "disabled"},
		`{"denied_login_methods": ["password-over-SSH"], "denied_protocols": ["FTP"]}`:                                 {keys, "protocols: [sftp]"},
		`{"denied_protocols": ["SSH"]}`:                                                                                {password, keys, "protocols: [ftp, ftps]"},
		`{"ftp_security": 1}`:                                                                                          {password, keys, "protocols: [ftps, sftp]"},
		`{"ftp_security": 1, "denied_protocols": ["SSH"]}`:                                                             {password, keys, "protocols: [ftps]"},
		`{"tls_username": "CommonName"}`:                                                                               {password, keys, certificate},
		`{"tls_username": "CommonName", "denied_protocols": ["FTP"]}`:                                                  {password, keys, "protocols: [sftp]"},
		`{"tls_username": "CommonName", "denied_login_methods": ["password", "publickey", "TLSCertificate"]}`:          {password, certificate, other},
		`{"tls_username": "CommonName", "denied_login_methods": ["password", "TLSCertificate"]}`:                       {password, keys, certificate, other, "disabled"},
		`{"tls_username": "CommonName", "denied_login_methods": ["publickey", "password", "TLSCertificate+password"]}`: {password, keys, both},
	} {
		all, err := readSFTPGo([]byte(`[{"username": "alice", "permissions": {"/": ["*"]}, "password": "` + hash + `",
			"public_keys": ["` + key + `", "` + key + `", "ssh-dss AAAA"],
			"filters": ` + filters + `}]`))
		if err != nil || len(all) != 1 {
			t.Fatalf("%s: %v", filters, err)
		}
		got := all[0].keys
		if all[0].disabled {
			got = append(got, "disabled")
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s:\ngot  %q\nwant %q", filters, got, want)
		}
		if !strings.Contains(strings.Join(all[0].notes, "\n"), "the public key 3 is not taken over: ") {
			t.Errorf("%s: %q", filters, all[0].notes)
		}
	}
}

func TestImportRefuses(t *testing.T) {
	write := func(text string) string {
		name := filepath.Join(t.TempDir(), "backup.json")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for text, want := range map[string]string{
		`{"users": [{"username": hush}]}`: "is not JSON at byte 25: must be a backup of SFTPGo",
		`{"users": {"hush": 1}}`:          "users at byte 11 must not be a object in a backup of SFTPGo",
		`{"users": [{"username": 5}]}`:    "at byte 25 must not be a number in a backup of SFTPGo",
		`{"admins": []}`:                  "has no users: must be a backup of SFTPGo",
		"\xFF\xFEx":                       "is UTF-16: must be saved as UTF-8",
	} {
		code, out, err := output(t, "", nil, "users", "import", "sftpgo", write(text))
		if code != exitFailure || out != "" || !strings.Contains(err, want) || strings.Contains(err, "hush") {
			t.Errorf("%s: %d, %q, %q", text, code, out, err)
		}
	}
	for _, args := range [][]string{{"users", "import"}, {"users", "import", "vsftpd", "x"}, {"users", "import", "sftpgo"}, {"users", "import", "sftpgo", "x", "y"}} {
		if code, out, err := output(t, "", nil, args...); code != exitUsage || out != "" || !strings.Contains(err, "s3ftpd users import htpasswd FILE") {
			t.Errorf("%v: %d, %q, %q", args, code, out, err)
		}
	}
	if code, _, err := output(t, "", nil, "users", "import", "htpasswd", "/nowhere"); code != exitFailure || !strings.Contains(err, "/nowhere") {
		t.Errorf("%d, %q", code, err)
	}
}

// An empty import is a valid file.
func TestImportNothing(t *testing.T) {
	name := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(name, []byte("# nobody\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, _ := output(t, "", nil, "users", "import", "htpasswd", name)
	if _, err := config.ParseUsers("x", []byte(out), nil); code != 0 || err != nil || !strings.Contains(out, "users: []") {
		t.Errorf("%d, %v: %s", code, err, out)
	}
}

// FuzzImport imports arbitrary files. Every result loads.
func FuzzImport(f *testing.F) {
	for _, name := range []string{"htpasswd", "sftpgo.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("[{\"username\":\"a\\nb\",\"description\":\"\\u2028x\"}]")
	f.Add("a\x1bb:$6$\x00:c\x7f")
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{"htpasswd", "sftpgo"} {
			code, out, err := output(t, "", nil, "users", "import", kind, file)
			if strings.Contains(err, "the imported file") {
				t.Errorf("%s of %q: %s", kind, text, err)
			}
			if _, err := config.ParseUsers("x", []byte(out), nil); code == 0 && err != nil {
				t.Errorf("%s of %q: %v", kind, text, err)
			}
		}
	})
}
