package config

import "testing"

// Notepad writes a byte order mark; it was taken for a part of the first key.
func TestByteOrderMark(t *testing.T) {
	file := written(t, "s3ftpd.yaml", "\uFEFFbucket: invoices\nuser: alice\n")
	got, err := load(Serve, []string{"--config", file}, completeEnv, machine)
	if err != nil || got.Bucket != "invoices" {
		t.Errorf("got %+v, %v", got, err)
	}
	testMistakes(t, map[string]mistaken{
		"UTF-16, low byte first":  {args: []string{"--config=FILE"}, file: "\xFF\xFEb\x00u\x00", want: []string{`--config "FILE": is UTF-16: save it as UTF-8`}},
		"UTF-16, high byte first": {args: []string{"--config=FILE"}, file: "\xFE\xFF\x00b\x00u", want: []string{`--config "FILE": is UTF-16: save it as UTF-8`}},
	})
}

// Options that are in a file which cannot be read, or under a name that is misspelt, were said to be missing too.
func TestOnlyWhatIsWrong(t *testing.T) {
	testMistakes(t, map[string]mistaken{
		"a file that is not there": {
			args: []string{"--config=/nowhere.yaml"},
			want: []string{`--config "/nowhere.yaml": no such file or directory`},
		},
		"a directory": {
			args: []string{"--config=/"},
			want: []string{`--config "/": is a directory`},
		},
		"not YAML, and a bad flag": {
			args: []string{"--checksum=md4"}, file: "bucket: \"invoices\n",
			want: []string{
				`FILE:1: not valid YAML: could not find end character of double-quoted text`,
				`--checksum "md4": auto, crc32c, crc32, sha256, md5 or none is wanted`,
			},
		},
		"a list":         {args: []string{"--config=FILE"}, file: "- bucket\n", want: []string{"FILE: lines such as `bucket: invoices` are wanted"}},
		"a text":         {args: []string{"--config=FILE"}, file: "bucket\n", want: []string{"FILE: lines such as `bucket: invoices` are wanted"}},
		"two documents":  {args: []string{"--config=FILE"}, file: "region: x\n---\nbucket: x\n", want: []string{"FILE: one document is enough; this file has 2"}},
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
			want: []string{"FILE:1: password: secrets are never flags, nor keys of a file: set S3FTPD_PASSWORD in the environment, or use --password-file"},
		},
		"a secret as a flag": {
			args: append(completeArgs, "--password=hush"), env: []string{"HOME=/"},
			want: []string{"--password: secrets are never flags, nor keys of a file: set S3FTPD_PASSWORD in the environment, or use --password-file"},
		},
		"a key without a value": {
			args: []string{"--user=alice"}, file: "bucket:\n",
			want: []string{`FILE:1: bucket: a value is missing; an empty one is written ""`},
		},
		"a flag without a value": {
			args: []string{"--user=alice", "--bucket"},
			want: []string{`--bucket: a value is missing`},
		},
	})
}

// The last --config won silently, and the other file counted for nothing.
func TestConfigTwice(t *testing.T) {
	testMistakes(t, map[string]mistaken{
		"two files": {
			args: []string{"--config=FILE", "--config=/nowhere.yaml"}, file: "bucket: invoices\n",
			want: []string{`--config: is there twice; it takes one value`},
		},
		"the same file": {
			args: []string{"--config=FILE", "--config=FILE"}, file: "bucket: invoices\n",
			want: []string{`--config: is there twice; it takes one value`},
		},
	})
}

// So it is with every other option: one place has one value for it.
func TestOptionsTwice(t *testing.T) {
	for _, o := range options {
		text := o.defaultIn(Demo)
		if o.secret || !o.in(Serve) || text == "" {
			continue
		}
		flag, wanted := "--"+o.name+"="+text, "--"+o.name+": "+o.twice()
		_, err := load(Serve, append(beside(o.name), flag, flag), completeEnv, machine)
		if got, ok := err.(Mistakes); !ok || len(got) == 0 || got[0] != wanted {
			t.Errorf("%s twice: got %v, want %s", flag, err, wanted)
		}
	}
	testMistakes(t, map[string]mistaken{
		"a list": {
			args: append(completeArgs, "--proxy-protocol-from=10.0.0.0/8", "--proxy-protocol-from=192.0.2.7"),
			want: []string{`--proxy-protocol-from: is there twice; a list is one value, with commas: --proxy-protocol-from NETWORK,...`},
		},
		"a switch": {
			args: append(completeArgs, "--active", "--active=false"),
			want: []string{`--active: is there twice; it takes one value`},
		},
		"in a file": {
			args: completeArgs, file: "region: a\nregion: b\n",
			want: []string{`FILE:2: region: is there already, in line 1`},
		},
	})
}
