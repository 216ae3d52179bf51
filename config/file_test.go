package config

import "testing"

// Notepad writes a byte order mark, which was read as part of the first key.
func TestByteOrderMark(t *testing.T) {
	file := writeFile(t, "s3ftpd.yaml", "\uFEFFbucket: invoices\nuser: alice\n")
	got, err := load(Serve, []string{"--config", file}, completeEnv, noLimit)
	if err != nil || got.Bucket != "invoices" {
		t.Errorf("got %+v, %v", got, err)
	}
	testMistakes(t, map[string]mistakeCase{
		"UTF-16, low byte first":  {args: []string{"--config=FILE"}, file: "\xFF\xFEb\x00u\x00", want: []string{`--config "FILE": is UTF-16: must be saved as UTF-8`}},
		"UTF-16, high byte first": {args: []string{"--config=FILE"}, file: "\xFE\xFF\x00b\x00u", want: []string{`--config "FILE": is UTF-16: must be saved as UTF-8`}},
	})
}

// Options in a file that cannot be read, or with a misspelled name, are not reported as missing too.
func TestNoConsequentialMistakes(t *testing.T) {
	testMistakes(t, map[string]mistakeCase{
		"missing file": {
			args: []string{"--config=/nowhere.yaml"},
			want: []string{`--config "/nowhere.yaml": no such file or directory`},
		},
		"directory": {
			args: []string{"--config=/"},
			want: []string{`--config "/": is a directory`},
		},
		"invalid YAML and an invalid flag": {
			args: []string{"--checksum=md4"}, file: "bucket: \"invoices\n",
			want: []string{
				`FILE:1: not valid YAML: could not find end character of double-quoted text`,
				`--checksum "md4": must be auto, crc32c, crc32, sha256, md5 or none`,
			},
		},
		"a list":         {args: []string{"--config=FILE"}, file: "- bucket\n", want: []string{"FILE: must be lines of the form NAME: VALUE, e.g. bucket: invoices"}},
		"a text":         {args: []string{"--config=FILE"}, file: "bucket\n", want: []string{"FILE: must be lines of the form NAME: VALUE, e.g. bucket: invoices"}},
		"two documents":  {args: []string{"--config=FILE"}, file: "region: x\n---\nbucket: x\n", want: []string{"FILE: must be one YAML document, not 2"}},
		"a misspelt key": {args: []string{"--user=alice"}, file: "buckt: invoices\n", want: []string{"FILE:1: buckt: no such option; did you mean bucket?"}},
		"a misspelt flag": {
			args: []string{"--user=alice", "--buckt=invoices"},
			want: []string{"--buckt: no such option; did you mean --bucket?"},
		},
		"a misspelt variable": {
			args: []string{"--user=alice"}, env: []string{"S3FTPD_BUCKT=invoices", "S3FTPD_PASSWORD=x"},
			want: []string{"S3FTPD_BUCKT: no such option; did you mean S3FTPD_BUCKET?"},
		},
		"a secret in the file": {
			args: completeArgs, env: []string{"HOME=/"}, file: "password: hush\n",
			want: []string{"FILE:1: password: must not be on the command line or in a configuration file: set S3FTPD_PASSWORD in the environment, or --password-file"},
		},
		"a secret as a flag": {
			args: append(completeArgs, "--password=hush"), env: []string{"HOME=/"},
			want: []string{"--password: must not be on the command line or in a configuration file: set S3FTPD_PASSWORD in the environment, or --password-file"},
		},
		"a key without a value": {
			args: []string{"--user=alice"}, file: "bucket:\n",
			want: []string{`FILE:1: bucket: must have a value; an empty one is written ""`},
		},
		"a flag without a value": {
			args: []string{"--user=alice", "--bucket"},
			want: []string{`--bucket: must have a value`},
		},
	})
}

// A second --config must not override the first silently.
func TestConfigTwice(t *testing.T) {
	testMistakes(t, map[string]mistakeCase{
		"two files": {
			args: []string{"--config=FILE", "--config=/nowhere.yaml"}, file: "bucket: invoices\n",
			want: []string{`--config: must be set only once`},
		},
		"the same file": {
			args: []string{"--config=FILE", "--config=FILE"}, file: "bucket: invoices\n",
			want: []string{`--config: must be set only once`},
		},
	})
}

// No option may be set twice on the command line.
func TestOptionsTwice(t *testing.T) {
	for _, o := range options {
		text := o.defaultIn(Demo)
		if o.secret || !o.isIn(Serve) || text == "" {
			continue
		}
		flag, wanted := "--"+o.name+"="+text, "--"+o.name+": "+o.duplicateText()
		_, err := load(Serve, append(requiredArgs(o.name), flag, flag), completeEnv, noLimit)
		if got, ok := err.(Mistakes); !ok || len(got) == 0 || got[0] != wanted {
			t.Errorf("%s twice: got %v, want %s", flag, err, wanted)
		}
	}
	testMistakes(t, map[string]mistakeCase{
		"a list": {
			args: append(completeArgs, "--proxy-protocol-from=10.0.0.0/8", "--proxy-protocol-from=192.0.2.7"),
			want: []string{`--proxy-protocol-from: must be set only once, with commas between the items: --proxy-protocol-from NETWORK,...`},
		},
		"a switch": {
			args: append(completeArgs, "--active", "--active=false"),
			want: []string{`--active: must be set only once`},
		},
		"in a file": {
			args: completeArgs, file: "region: a\nregion: b\n",
			want: []string{`FILE:2: region: must be set only once; it is also in line 1`},
		},
	})
}
