package config

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"
)

// A mistakeCase is an invalid configuration and all lines of its error. FILE is replaced by the name of its file.
type mistakeCase struct {
	command string
	args    []string
	env     []string // nil = completeEnv
	file    string
	want    []string
}

func TestMistakes(t *testing.T) {
	testMistakes(t, map[string]mistakeCase{
		"mistakes in every source": {
			args: []string{"--bucket=a/b", "--passive-ports=70000-10", "--max-sessions", "0", "--paart-size=1MiB"},
			env:  []string{"S3FTPD_PASSWORD=x", "S3FTPD_IDLE_TIMEOUT=300", "S3FTPD_USERR=x"},
			file: "checksum: md4\nregion: [a, {b: c}]\n\nregoin: x\n",
			want: []string{
				`--paart-size: no such option; did you mean --part-size?`,
				`S3FTPD_USERR: no such option; did you mean S3FTPD_USER?`,
				`FILE:2: region: must be a list of plain values`,
				`FILE:4: regoin: no such option; did you mean region?`,
				`FILE:1: checksum "md4": must be auto, crc32c, crc32, sha256, md5 or none`,
				`S3FTPD_IDLE_TIMEOUT "300": must be a positive duration, e.g. 300ms, 20s or 1h30m`,
				`--bucket "a/b": must be two options: --bucket "a" --prefix "b"`,
				`--passive-ports "70000-10": must be a range of ports from 1 to 65535, e.g. 60000-60099, or a single port`,
				`--max-sessions "0": must be a number of at least 1`,
			},
		},
		"no options": {
			env: []string{"HOME=/"},
			want: []string{
				`--bucket: is missing: must be the name of the bucket to serve`,
				`--user: is missing: must be a user name, with S3FTPD_PASSWORD or --password-file; many users are in the file of --users`,
			},
		},
		"a source of users twice": {
			args: []string{"--auth=ldap-sts,s3, ldap-sts", "--bucket=invoices"}, env: []string{"HOME=/"},
			want: []string{`--auth "ldap-sts,s3, ldap-sts": has ldap-sts twice`},
		},
		"unknown source of users": {
			args: append(completeArgs, "--auth=S3"),
			want: []string{`--auth "S3": must be s3 (S3 access keys and their secret keys log in), ldap-sts (users of MinIO's LDAP), or both, e.g. s3,ldap-sts`},
		},
		"the variable of users files": {
			args: append(completeArgs, "--prefix=in/{user}"),
			want: []string{`--prefix "in/{user}/": must not contain {user}, which is a variable only with --users, or with --auth-url and no --user`},
		},
		"the variable of users files beside S3 keys": {
			args: []string{"--bucket=invoices", "--prefix=in/{user}", "--auth-url=https://hook.example/", "--auth=s3"}, env: []string{"HOME=/"},
			want: []string{`--prefix "in/{user}/": must not contain {user} beside --auth, whose users would all get this directory; ` +
				`for others, set the prefix in the defaults of --users`},
		},
		"S3 keys beside a user without a bucket": {
			args: []string{"--auth=s3", "--user=alice"},
			want: []string{`--bucket: is missing: must be the name of the bucket that --user serves; only --auth without --user needs none`},
		},
		"S3 keys with a prefix of no bucket": {
			args: []string{"--auth=s3", "--prefix=a"}, env: []string{"HOME=/"},
			want: []string{`--prefix "a/": requires --bucket: without it --auth shows whole buckets`},
		},
		"S3 keys and a password without a user": {
			args: []string{"--auth=s3"},
			want: []string{`--user: is missing: must be the name of the user with this password`},
		},
		"S3 keys and a certificate without a user": {
			args: []string{"--auth=s3", "--tls-self-signed", "--tls-client-ca=x", "--user-certificate=alice"}, env: []string{"HOME=/"},
			want: []string{`--user-certificate "alice": requires --user: a certificate cannot replace an S3 key`},
		},
		"a lifecycle rule without a bucket": {
			command: Check, args: []string{"--auth=s3", "--fix-lifecycle"}, env: []string{"HOME=/"},
			want: []string{`--fix-lifecycle: requires --bucket, the bucket that gets the rule`},
		},
		"user without password": {
			args: completeArgs, env: []string{"HOME=/"},
			want: []string{`--user "alice": must have a password: set S3FTPD_PASSWORD or --password-file; with --sftp, --authorized-keys or --sftp-user-ca can replace it`},
		},
		"empty password": {
			args: completeArgs, env: []string{"S3FTPD_PASSWORD="},
			want: []string{`S3FTPD_PASSWORD: must not be empty`},
		},
		"password with control characters": {
			args: completeArgs, env: []string{"S3FTPD_PASSWORD=hush\x01hush"},
			want: []string{`S3FTPD_PASSWORD: must not contain control characters, which FTP clients cannot send`},
		},
		"missing password file": {
			args: append(completeArgs, "--password-file=/nowhere/at/all"), env: []string{"HOME=/"},
			want: []string{`--password-file "/nowhere/at/all": no such file or directory`},
		},
		"password in place of its file": {
			args: append(completeArgs, "--password-file=hush"), env: []string{"HOME=/"},
			want: []string{`--password-file: no such file or directory; must be the name of a file with the secret, not the secret itself`},
		},
		"two passwords": {
			args: append(completeArgs, "--password-file=FILE"), file: "password",
			want: []string{`--password-file: must not be combined with S3FTPD_PASSWORD`},
		},
		"password as a flag": {
			args: append(completeArgs, "--password", "hush"),
			want: []string{`--password: must not be on the command line or in a configuration file: set S3FTPD_PASSWORD in the environment, or --password-file`},
		},
		"password in the file": {
			args: completeArgs, file: "password: hush\n",
			want: []string{`FILE:1: password: must not be on the command line or in a configuration file: set S3FTPD_PASSWORD in the environment, or --password-file`},
		},
		"password as a misspelled flag": {
			args: append(completeArgs, "--pasword", "hush"),
			want: []string{`--pasword: no such option; did you mean S3FTPD_PASSWORD?`},
		},
		"password after a letter": {
			args: append(completeArgs, "-p", "hush"),
			want: []string{"--p: no such option; `s3ftpd serve --help` lists all options"},
		},
		"too many dashes": {
			args: append(completeArgs, "---password=hush", "--=hush"),
			want: []string{
				`---password: must begin with two dashes: --password`,
				`--: must be followed by the name of an option`,
				`--password: must not be on the command line or in a configuration file: set S3FTPD_PASSWORD in the environment, or --password-file`,
			},
		},
		"keys in the endpoint": {
			args: append(completeArgs, "--endpoint=http://key:hush@127.0.0.1:9000"),
			want: []string{`--endpoint: must not contain keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`},
		},
		"invalid YAML": {
			args: completeArgs, file: "bucket: x\npassword: \"hush\n",
			want: []string{`FILE:2: not valid YAML: could not find end character of double-quoted text`},
		},
		"key twice, and one without a value": {
			args: completeArgs, file: "ftp: :21\nregion:\nftp: :22\n",
			want: []string{
				`FILE:2: region: must have a value; an empty one is written ""`,
				`FILE:3: ftp: must be set only once; it is also in line 1`,
			},
		},
		"file without a mapping": {
			args: completeArgs, file: "- bucket\n- region\n",
			want: []string{"FILE: must be lines of the form NAME: VALUE, e.g. bucket: invoices"},
		},
		"second document": {
			args: completeArgs, file: "region: x\n---\nregion: y\n",
			want: []string{`FILE: must be one YAML document, not 2`},
		},
		"anchors and nested mappings": {
			args: completeArgs, file: "region: &r x\nprefix: {a: b}\n",
			want: []string{
				`FILE:1: region: must be a plain value or a list of plain values`,
				`FILE:2: prefix: must be a plain value or a list of plain values`,
			},
		},
		"file in the file": {
			args: completeArgs, file: "config: other.yaml\n",
			want: []string{`FILE:1: config: must not be in a configuration file`},
		},
		"missing file": {
			args: append(completeArgs, "--config=/nowhere.yaml"),
			want: []string{`--config "/nowhere.yaml": no such file or directory`},
		},
		"one dash": {
			args: append(completeArgs, "-ftp", ":2121"),
			want: []string{`-ftp: must begin with two dashes: --ftp`},
		},
		"flag without a value": {
			args: append(completeArgs, "--region"),
			want: []string{`--region: must have a value`},
		},
		"value after a boolean flag": {
			args: append(completeArgs, "--active", "false"),
			want: []string{`"false": the value of a boolean option must follow an equals sign: --active=false`},
		},
		"demo after its options": {
			args: append(completeArgs, "demo"),
			want: []string{`"demo": the command must come before its options: s3ftpd demo ...`},
		},
		"check after its options": {
			args: append(completeArgs, "check"),
			want: []string{`"check": the command must come before its options: s3ftpd check ...`},
		},
		"stray argument": {
			args: append(completeArgs, "--", "x"),
			want: []string{`"x": unexpected argument: options must begin with two dashes and have one value`},
		},
		"option of the demo": {
			args: append(completeArgs, "--dir=x"),
			want: []string{"--dir: must be used with `s3ftpd demo` only"},
		},
		"demo with another service": {
			command: Demo, env: []string{"S3FTPD_ENDPOINT=http://x"},
			want: []string{"S3FTPD_ENDPOINT: must be used with `s3ftpd serve` only"},
		},
		"no listener": {
			args: append(completeArgs, "--ftp="),
			want: []string{`--ftp "": no listener: one of --ftp, --ftps and --sftp must be an address, e.g. :21`},
		},
		"part size above a quarter of the memory": {
			args: append(completeArgs, "--part-size=64MiB"), file: "memory: 100MiB\n",
			want: []string{`--part-size 64MiB: must be at most a quarter of FILE:1: memory, which is 100MiB`},
		},
		"long value": {
			args: append(completeArgs, "--log-level="+strings.Repeat("x", 1000)),
			want: []string{`--log-level "` + strings.Repeat("x", 80) + `...": must be debug, info, warn or error`},
		},
		"value with a line break": {
			args: append(completeArgs, "--checksum=a\nb"),
			want: []string{`--checksum "a\nb": must be auto, crc32c, crc32, sha256, md5 or none`},
		},
	})
}

func testMistakes(t *testing.T, cases map[string]mistakeCase) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			args, env, file := append([]string(nil), c.args...), c.env, ""
			if c.file != "" {
				file = writeFile(t, "s3ftpd.yaml", c.file)
				for i := range args {
					args[i] = strings.ReplaceAll(args[i], "FILE", file)
				}
				if !strings.Contains(strings.Join(args, " "), file) {
					args = append(args, "--config", file)
				}
			}
			if env == nil && c.command == "" {
				env = completeEnv
			}
			command := Serve
			if c.command != "" {
				command = c.command
			}
			_, err := load(command, args, env, fstest.MapFS{})
			var got Mistakes
			if !errors.As(err, &got) {
				t.Fatalf("got error %v", err)
			}
			want := strings.Join(c.want, "\n")
			if file != "" {
				want = strings.ReplaceAll(want, "FILE", file)
			}
			if got.Error() != want {
				t.Errorf("got:\n%v\nwant:\n%v", got, want)
			}
			if strings.Contains(got.Error(), "hush") {
				t.Error("the message contains a secret")
			}
		})
	}
}

// Variables that Kubernetes sets for a service named s3ftpd are ignored.
func TestVariablesOfKubernetes(t *testing.T) {
	for _, entry := range []string{
		"S3FTPD_SERVICE_HOST=10.0.0.1", "S3FTPD_SERVICE_PORT=21", "S3FTPD_SERVICE_PORT_FTP=21", "S3FTPD_PORT=tcp://10.0.0.1:21",
		"S3FTPD_PORT_21_TCP=tcp://10.0.0.1:21", "S3FTPD_PORT_21_TCP_ADDR=10.0.0.1", "S3FTPD_PORT_21_TCP_PROTO=tcp",
		"S3FTPD_DATA_PORT_60000_TCP_PORT=60000", "S3FTPD_DATA_SERVICE_HOST=10.0.0.2", "S3FTPD_DATA_PORT=tcp://10.0.0.2:1",
	} {
		if _, err := load(Serve, completeArgs, append(completeEnv, entry), noLimit); err != nil {
			t.Errorf("%s: %v", entry, err)
		}
	}
	for _, entry := range []string{"S3FTPD_PASSIVE_PORT=60000", "S3FTPD_PORT=21", "S3FTPD_SERVICE=x"} {
		if _, err := load(Serve, completeArgs, append(completeEnv, entry), noLimit); err == nil {
			t.Errorf("%s is ignored as a variable of Kubernetes", entry)
		}
	}
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"buckt": "bucket", "bcuket": "bucket", "passive-port": "passive-ports", "log": "log-level", "format": "log-format",
		"pathstyle": "path-style", "max-sesions-per-ip": "max-sessions-per-ip", "ftp-address": "ftp",
		"x": "", "colour": "", strings.Repeat("bucket", 1000): "",
	} {
		got := ""
		if o := nearest(Serve, name); o != nil {
			got = o.name
		}
		if got != want {
			t.Errorf("%.20s: got %q, want %q", name, got, want)
		}
	}
}
