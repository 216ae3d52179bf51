package config

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// hostKey is what a host key looks like at first sight.
const hostKey = "-----BEGIN OPENSSH PRIVATE KEY-----\nhush\n-----END OPENSSH PRIVATE KEY-----\n"

func TestSFTP(t *testing.T) {
	key, other := writeFile(t, "key", hostKey), writeFile(t, "other", hostKey)
	keys, banner := writeFile(t, "authorized_keys", ed25519Key+"\n"), writeFile(t, "banner", "Authorized use only.\r\nÜ")
	args := []string{"--bucket=invoices", "--user=alice", "--authorized-keys=" + keys,
		"--sftp=:22", "--ftp=", "--sftp-algorithms=legacy", "--sftp-banner=" + banner}
	for name, c := range map[string]struct {
		args, env []string
		want      HostKeys
	}{
		"files":     {[]string{"--sftp-host-key", key + ", " + other}, nil, HostKeys{Files: []string{key, other}}},
		"variable":  {nil, []string{"S3FTPD_SFTP_HOST_KEY=" + key}, HostKeys{Files: []string{key}}},
		"key":       {nil, []string{"S3FTPD_SFTP_HOST_KEY=" + hostKey}, HostKeys{Text: hostKey}},
		"generated": {[]string{"--sftp-host-key=generate"}, nil, HostKeys{Generate: true}},
	} {
		got, err := load(Serve, append(args, c.args...), c.env, noLimit)
		if err != nil || !reflect.DeepEqual(got.SFTPHostKeys, c.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
			continue
		}
		if got.SFTP != ":22" || got.FTP != "" || got.AuthorizedKeys != keys || got.SFTPAlgorithms != "legacy" || got.SFTPBanner != "Authorized use only.\nÜ\n" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	list := writeFile(t, "s3ftpd.yaml", "sftp: :22\nsftp-host-key:\n  - "+key+"\n  - "+other+"\n")
	if got, err := load(Serve, append(completeArgs, "--config="+list), completeEnv, noLimit); err != nil || len(got.SFTPHostKeys.Files) != 2 {
		t.Errorf("a list in the file: %+v, %v", got, err)
	}
}

// With authorities, a user needs neither a password nor a key.
func TestSFTPUserCA(t *testing.T) {
	ca := writeFile(t, "ca", "# ours\n"+ed25519Key+"\n")
	args := []string{"--bucket=invoices", "--sftp=:22", "--sftp-host-key=generate"}
	for _, with := range [][]string{
		{"--user=alice"}, {"--users=" + writeFile(t, "users", "users:\n  - name: alice\n  - name: bob\n    password: $2y$10$"+strings.Repeat("x", 53)+"\n    second-factor: [password, public-key]\n")},
	} {
		got, err := load(Serve, append(append(args, "--sftp-user-ca="+ca), with...), nil, noLimit)
		if err == nil && got.Users != "" {
			var text []byte
			if text, err = os.ReadFile(got.Users); err == nil {
				_, err = ParseUsers(got.Users, text, got)
			}
		}
		if err != nil || got.SFTPUserCA != ca {
			t.Errorf("%q: %v", with, err)
		}
	}
	if _, err := load(Serve, append(args, "--user=alice"), nil, noLimit); err == nil {
		t.Error("a user needs nothing without authorities")
	}
}

func TestSFTPMistakes(t *testing.T) {
	const advice = "make a key with `ssh-keygen -t ed25519 -N '' -f s3ftpd_host_key`, and set --sftp-host-key s3ftpd_host_key"
	empty, key := writeFile(t, "empty", "\n"), writeFile(t, "key", hostKey)
	twice := writeFile(t, "twice", ed25519Key+"\n"+ed25519Key+"\nhush\n")
	testMistakes(t, map[string]mistakeCase{
		"no host key": {
			args: append(completeArgs, "--sftp=:22"),
			want: []string{`--sftp ":22": requires --sftp-host-key, the key that identifies the server: ` + advice},
		},
		"without SFTP": {
			args: append(completeArgs, "--sftp-host-key=generate", "--sftp-algorithms=strict", "--authorized-keys=FILE", "--sftp-user-ca=FILE", "--sftp-banner=FILE"), file: ed25519Key,
			want: []string{
				"--sftp-host-key: requires --sftp, the address for SFTP, e.g. :22",
				"--authorized-keys: requires --sftp, the address for SFTP, e.g. :22",
				"--sftp-user-ca: requires --sftp, the address for SFTP, e.g. :22",
				"--sftp-algorithms: requires --sftp, the address for SFTP, e.g. :22",
				"--sftp-banner: requires --sftp, the address for SFTP, e.g. :22",
			},
		},
		"addresses": {
			args: append(completeArgs, "--sftp=:21", "--sftp-host-key=generate"),
			want: []string{`--sftp ":21": must differ from --ftp and --ftps; the standard port is :22`},
		},
		"files": {
			args: append(completeArgs, "--sftp=:2022", "--sftp-host-key=/nowhere"), env: []string{"S3FTPD_SFTP_HOST_KEY=" + empty, "S3FTPD_PASSWORD=hush"},
			want: []string{
				`S3FTPD_SFTP_HOST_KEY "` + empty + `": ` + empty + ": must contain a key, but is empty",
				`--sftp-host-key "/nowhere": /nowhere: no such file or directory`,
			},
		},
		"the public half": {
			args: append(completeArgs, "--sftp=:2022", "--sftp-host-key=/etc/key.pub"),
			want: []string{`--sftp-host-key "/etc/key.pub": must be the private key, which is in "/etc/key"`},
		},
		"files and generate": {
			args: append(completeArgs, "--sftp=:2022", "--sftp-host-key=generate,x"),
			want: []string{`--sftp-host-key "generate,x": must be generate alone, or files`},
		},
		"a file twice": {
			args: append(completeArgs, "--sftp=:2022", "--sftp-host-key="+key+","+key),
			want: []string{`--sftp-host-key "` + key + "," + key + `": has "` + key + `" twice`},
		},
		"a key on the command line": {
			args: append(completeArgs, "--sftp=:2022", "--sftp-host-key="+hostKey),
			want: []string{"--sftp-host-key: must be a file here: a key itself must be in the environment, in S3FTPD_SFTP_HOST_KEY"},
		},
		"a key in the file": {
			args: completeArgs, file: "sftp: :2022\nsftp-host-key: |\n  " + strings.ReplaceAll(hostKey, "\n", "\n  ") + "\n",
			want: []string{"FILE:2: sftp-host-key: must be a file here: a key itself must be in the environment, in S3FTPD_SFTP_HOST_KEY"},
		},
		"authorized keys": {
			args: append(completeArgs, "--sftp=:2022", "--sftp-host-key=generate", "--authorized-keys="+twice),
			want: []string{`--authorized-keys "` + twice + `": line 2: must be in the file only once; it is also in line 1 (and 1 more)`},
		},
		"no authorized keys": {
			args: append(completeArgs, "--sftp=:2022", "--sftp-host-key=generate", "--authorized-keys="+empty),
			want: []string{`--authorized-keys "` + empty + `": must contain a public key, but has none`},
		},
		"keys of nobody": {
			args: []string{"--bucket=invoices", "--sftp=:2022", "--sftp-host-key=generate", "--authorized-keys=FILE", "--auth=s3"},
			file: ed25519Key, env: []string{"HOME=/"},
			want: []string{"--authorized-keys: requires --user, the user with these keys"},
		},
		"keys beside a users file": {
			args: []string{"--users=users.yaml", "--sftp=:2022", "--sftp-host-key=generate", "--authorized-keys=FILE"}, file: ed25519Key, env: []string{"HOME=/"},
			want: []string{"--authorized-keys: must not be combined with --users: keys must be in the file, as public-keys or public-keys-file"},
		},
		"banner": {
			args: append(completeArgs, "--sftp=:2022", "--sftp-host-key=generate", "--sftp-banner=FILE"), file: "x\x1b[31m",
			want: []string{`--sftp-banner "FILE": must be UTF-8 without control characters other than line breaks and tabs`},
		},
		"empty banner": {
			args: append(completeArgs, "--sftp=:2022", "--sftp-host-key=generate", "--sftp-banner="+empty),
			want: []string{`--sftp-banner "` + empty + `": must contain a text, but is empty`},
		},
	})
}
