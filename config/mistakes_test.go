package config

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"
)

// A mistaken configuration, and all the lines that it is answered with. FILE stands for its file's name.
type mistaken struct {
	command string
	args    []string
	env     []string // instead of a complete one
	file    string
	want    []string
}

func TestMistakes(t *testing.T) {
	testMistakes(t, map[string]mistaken{
		"everything at once, in every source": {
			args: []string{"--bucket=a/b", "--passive-ports=70000-10", "--max-sessions", "0", "--paart-size=1MiB"},
			env:  []string{"S3FTPD_PASSWORD=x", "S3FTPD_IDLE_TIMEOUT=300", "S3FTPD_USERR=x"},
			file: "checksum: md4\nregion: [a, {b: c}]\n\nregoin: x\n",
			want: []string{
				`--paart-size: no such option; did you mean --part-size?`,
				`S3FTPD_USERR: no such option; did you mean S3FTPD_USER?`,
				`FILE:2: region: a list may hold plain values only`,
				`FILE:4: regoin: no such option; did you mean region?`,
				`FILE:1: checksum "md4": auto, crc32c, crc32, sha256, md5 or none is wanted`,
				`S3FTPD_IDLE_TIMEOUT "300": a duration above zero is wanted, such as 300ms, 20s, 5m, 1h30m or 24h`,
				`--bucket "a/b": a bucket and a prefix are two options: --bucket "a" --prefix "b"`,
				`--passive-ports "70000-10": a range of ports from 1 to 65535 is wanted, such as 60000-60099, or a single port`,
				`--max-sessions "0": a number from 1 on is wanted`,
			},
		},
		"nothing at all": {
			env: []string{"HOME=/"},
			want: []string{
				`--bucket: is missing: which bucket is to be served?`,
				`--user: is missing: who may log in? The password comes from S3FTPD_PASSWORD or --password-file`,
			},
		},
		"user without password": {
			args: completeArgs, env: []string{"HOME=/"},
			want: []string{`--user "alice": has no password: set S3FTPD_PASSWORD or use --password-file`},
		},
		"empty password": {
			args: completeArgs, env: []string{"S3FTPD_PASSWORD="},
			want: []string{`S3FTPD_PASSWORD: is empty; a password is wanted`},
		},
		"password that no client can send": {
			args: completeArgs, env: []string{"S3FTPD_PASSWORD=hush\x01hush"},
			want: []string{`S3FTPD_PASSWORD: has control characters, which no FTP client can send`},
		},
		"password file that is not there": {
			args: append(completeArgs, "--password-file=/nowhere/at/all"), env: []string{"HOME=/"},
			want: []string{`--password-file "/nowhere/at/all": no such file or directory`},
		},
		"two passwords": {
			args: append(completeArgs, "--password-file=FILE"), file: "password",
			want: []string{`--password-file: there is S3FTPD_PASSWORD too; one of them is enough`},
		},
		"password as a flag": {
			args: append(completeArgs, "--password", "hush"),
			want: []string{`--password: secrets are never flags, nor keys of a file: set S3FTPD_PASSWORD in the environment, or use --password-file`},
		},
		"password in the file": {
			args: completeArgs, file: "password: hush\n",
			want: []string{`FILE:1: password: secrets are never flags, nor keys of a file: set S3FTPD_PASSWORD in the environment, or use --password-file`},
		},
		"password as a misspelt flag": {
			args: append(completeArgs, "--pasword", "hush"),
			want: []string{`--pasword: no such option; did you mean S3FTPD_PASSWORD?`},
		},
		"password behind a letter": {
			args: append(completeArgs, "-p", "hush"),
			want: []string{"--p: no such option; `s3ftpd serve --help` lists them all"},
		},
		"too many dashes": {
			args: append(completeArgs, "---password=hush", "--=hush"),
			want: []string{
				`---password: options begin with two dashes: --password`,
				`--: the name of an option is missing`,
				`--password: secrets are never flags, nor keys of a file: set S3FTPD_PASSWORD in the environment, or use --password-file`,
			},
		},
		"keys in the endpoint": {
			args: append(completeArgs, "--endpoint=http://key:hush@127.0.0.1:9000"),
			want: []string{`--endpoint: keys do not belong into the URL: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`},
		},
		"not YAML": {
			args: completeArgs, file: "bucket: x\npassword: \"hush\n",
			want: []string{`FILE:2: not valid YAML: could not find end character of double-quoted text`},
		},
		"key twice, and one without a value": {
			args: completeArgs, file: "ftp: :21\nregion:\nftp: :22\n",
			want: []string{
				`FILE:2: region: a value is missing; an empty one is written ""`,
				`FILE:3: ftp: is there already, in line 1`,
			},
		},
		"file that is no mapping": {
			args: completeArgs, file: "- bucket\n- region\n",
			want: []string{"FILE: lines such as `bucket: invoices` are wanted"},
		},
		"second document": {
			args: completeArgs, file: "region: x\n---\nregion: y\n",
			want: []string{`FILE: one document is enough; this file has 2`},
		},
		"anchors and nested mappings": {
			args: completeArgs, file: "region: &r x\nprefix: {a: b}\n",
			want: []string{
				`FILE:1: region: a plain value or a list of them is wanted`,
				`FILE:2: prefix: a plain value or a list of them is wanted`,
			},
		},
		"file in the file": {
			args: completeArgs, file: "config: other.yaml\n",
			want: []string{`FILE:1: config: a file cannot name another`},
		},
		"file that is not there": {
			args: append(completeArgs, "--config=/nowhere.yaml"),
			want: []string{`--config "/nowhere.yaml": no such file or directory`},
		},
		"one dash": {
			args: append(completeArgs, "-ftp", ":2121"),
			want: []string{`-ftp: options begin with two dashes: --ftp`},
		},
		"value missing": {
			args: append(completeArgs, "--region"),
			want: []string{`--region: a value is missing`},
		},
		"value behind a switch": {
			args: append(completeArgs, "--active", "false"),
			want: []string{`"false": a switch takes its value behind an equals sign: --active=false`},
		},
		"command behind its options": {
			args: append(completeArgs, "demo"),
			want: []string{`"demo": the command stands before its options: s3ftpd demo ...`},
		},
		"check behind its options": {
			args: append(completeArgs, "check"),
			want: []string{`"check": the command stands before its options: s3ftpd check ...`},
		},
		"stray argument": {
			args: append(completeArgs, "--", "x"),
			want: []string{`"x": options begin with two dashes, and take one value each`},
		},
		"option of the demo": {
			args: append(completeArgs, "--dir=x"),
			want: []string{"--dir: an option of `s3ftpd demo` alone"},
		},
		"demo with another service": {
			command: Demo, env: []string{"S3FTPD_ENDPOINT=http://x"},
			want: []string{"S3FTPD_ENDPOINT: an option of `s3ftpd serve` alone"},
		},
		"nothing to listen on": {
			args: append(completeArgs, "--ftp="),
			want: []string{`--ftp "": nothing would be listened on; an address such as :21 is wanted`},
		},
		"parts beyond the memory": {
			args: append(completeArgs, "--part-size=64MiB"), file: "memory: 100MiB\n",
			want: []string{`--part-size 64MiB: must not be more than a quarter of FILE:1: memory, which is 100MiB`},
		},
		"long value": {
			args: append(completeArgs, "--log-level="+strings.Repeat("x", 1000)),
			want: []string{`--log-level "` + strings.Repeat("x", 80) + `...": debug, info, warn or error is wanted`},
		},
		"value with a line break": {
			args: append(completeArgs, "--checksum=a\nb"),
			want: []string{`--checksum "a\nb": auto, crc32c, crc32, sha256, md5 or none is wanted`},
		},
	})
}

func testMistakes(t *testing.T, cases map[string]mistaken) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			args, env, file := append([]string(nil), c.args...), c.env, ""
			if c.file != "" {
				file = written(t, "s3ftpd.yaml", c.file)
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
				t.Error("a secret shows")
			}
		})
	}
}

// What Kubernetes puts into every container beside a service called s3ftpd is nobody's mistake.
func TestVariablesOfKubernetes(t *testing.T) {
	for _, entry := range []string{
		"S3FTPD_SERVICE_HOST=10.0.0.1", "S3FTPD_SERVICE_PORT=21", "S3FTPD_SERVICE_PORT_FTP=21", "S3FTPD_PORT=tcp://10.0.0.1:21",
		"S3FTPD_PORT_21_TCP=tcp://10.0.0.1:21", "S3FTPD_PORT_21_TCP_ADDR=10.0.0.1", "S3FTPD_PORT_21_TCP_PROTO=tcp",
		"S3FTPD_DATA_PORT_60000_TCP_PORT=60000", "S3FTPD_DATA_SERVICE_HOST=10.0.0.2", "S3FTPD_DATA_PORT=tcp://10.0.0.2:1",
	} {
		if _, err := load(Serve, completeArgs, append(completeEnv, entry), machine); err != nil {
			t.Errorf("%s: %v", entry, err)
		}
	}
	for _, entry := range []string{"S3FTPD_PASSIVE_PORT=60000", "S3FTPD_PORT=21", "S3FTPD_SERVICE=x"} {
		if _, err := load(Serve, completeArgs, append(completeEnv, entry), machine); err == nil {
			t.Errorf("%s is taken for Kubernetes's", entry)
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
