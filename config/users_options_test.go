package config

import (
	"net/netip"
	"reflect"
	"testing"
	"time"
)

// With a users file, neither a user nor a bucket is required.
func TestUsersOption(t *testing.T) {
	for name, args := range map[string][]string{
		"alone":             {"--users=users.yaml"},
		"with a place":      {"--users=users.yaml", "--bucket=invoices", "--prefix={user}/"},
		"with S3 keys":      {"--users=users.yaml", "--auth=s3"},
		"with other names":  {"--users=users.yaml", "--names=scanner=latin1,utf-8"},
		"no certificate":    {"--users=users.yaml", "--user-certificate="},
		"a prefix, no more": {"--users=users.yaml", "--prefix={user}/"},
	} {
		c, err := load(Serve, args, nil, noLimit)
		if err != nil || c.Users != "users.yaml" || c.User != "" {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	c, err := load(Demo, []string{"--users=users.yaml"}, nil, noLimit)
	if err != nil || c.User != "" || c.Password != "" || c.Bucket != "demo" {
		t.Errorf("demo: %+v, %v", c, err)
	}
}

func TestUsersOptionMistakes(t *testing.T) {
	testMistakes(t, map[string]mistakeCase{
		"a user beside the file": {
			args: []string{"--users=users.yaml", "--user=alice", "--password-file=FILE", "--user-certificate=alice", "--tls-client-ca=x", "--tls-self-signed"},
			file: "hush", env: []string{"S3FTPD_BUCKET=invoices"},
			want: []string{
				"--user: must not be combined with --users: the user must be in the file",
				"--password-file: must not be combined with --users: passwords must be in the file, as password or password-file",
				"--user-certificate: must not be combined with --users: it must be in the file, as certificate",
			},
		},
		"a password beside the file": {
			args: []string{"--bucket=invoices"}, env: []string{"S3FTPD_PASSWORD=hush", "S3FTPD_USERS=users.yaml"},
			want: []string{"S3FTPD_PASSWORD: must not be combined with S3FTPD_USERS: passwords must be in the file"},
		},
		"a user of the demo": {
			command: Demo, args: []string{"--users=users.yaml", "--user=demo"}, env: []string{},
			want: []string{"--user: must not be combined with --users: the user must be in the file"},
		},
		"a prefix of whole buckets": {
			args: []string{"--users=users.yaml", "--auth=s3", "--prefix=x"}, env: []string{"HOME=/"},
			want: []string{`--prefix "x/": requires --bucket: without it --auth shows whole buckets`},
		},
		"a rule of no bucket": {
			command: Check, args: []string{"--users=users.yaml", "--fix-lifecycle"}, env: []string{"HOME=/"},
			want: []string{"--fix-lifecycle: requires --bucket, the bucket that gets the rule"},
		},
		"bans": {
			args: append(completeArgs, "--ban-after=-1", "--ban-time=0", "--ban-exempt=localhost"),
			want: []string{
				`--ban-after "-1": must be a number of failed logins, e.g. 15, or 0 for no bans`,
				`--ban-time "0": must be a positive duration, e.g. 300ms, 20s or 1h30m`,
				`--ban-exempt "localhost": "localhost" is not a network: must be like 10.0.0.0/8`,
			},
		},
	})
}

func TestBanOptions(t *testing.T) {
	for text, want := range map[string]int{"0": 0, "off": 0, "1": 1, "20": 20} {
		if c, err := load(Serve, append(completeArgs, "--ban-after="+text, "--ban-time=1h", "--ban-exempt="), completeEnv, noLimit); err != nil || c.BanAfter != want ||
			c.BanTime != time.Hour || c.BanExempt != nil {
			t.Errorf("%s: %+v, %v", text, c, err)
		}
	}
	c, err := load(Serve, append(completeArgs, "--ban-exempt=10.0.0.0/8,192.0.2.7"), completeEnv, noLimit)
	if want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32")}; err != nil || !reflect.DeepEqual(c.BanExempt, want) {
		t.Errorf("%v, %v", c.BanExempt, err)
	}
}
