package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// completeArgs and completeEnv are the minimal configuration of serve.
var (
	completeArgs = []string{"--bucket", "invoices", "--user", "alice"}
	completeEnv  = []string{"HOME=/root", "S3FTPD_PASSWORD=wonderland"}
)

// noLimit is a root directory without memory limits.
var noLimit = fstest.MapFS{}

// writeFile writes a file and returns its name.
func writeFile(t testing.TB, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestDefaults(t *testing.T) {
	got, err := load(Serve, completeArgs, completeEnv, noLimit)
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		FTP: ":21", TLS: "off", TLSMin: "1.2", TLSClientAuth: "required", TLSDataSession: "offer", TLSUploadClose: "strict", SFTPAlgorithms: "default",
		PassiveShare: "address",
		PassivePorts: Ports{60000, 65535}, PassiveAddress: []Rule{{Address: "auto"}}, Active: true, ActivePort: 20, ActivePortTLS: 989,
		User: "alice", Password: "wonderland", Names: Choices[string]{Others: "utf-8"}, Allo: Choices[string]{Others: "auto"}, Bucket: "invoices", Checksum: "auto", Payload: "unsigned", Memory: 256 << 20, PartSize: 8 << 20,
		Resume: 24 * time.Hour, RenameMax: 10_000, ListMtime: "auto",
		IdleTimeout: 5 * time.Minute, LoginTimeout: time.Minute, DataTimeout: 20 * time.Second,
		StallTimeout: 5 * time.Minute, S3Timeout: 30 * time.Second, DrainTimeout: time.Minute,
		AuthURLTimeout: 5 * time.Second,
		BanAfter:       15, BanTime: 30 * time.Minute, BanExempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		MaxSessions: 1024, MaxSessionsPerIP: 50, MaxSessionsPerUser: 50, LogLevel: slog.LevelInfo, LogFormat: "auto",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %#v\nwant %#v", got, want)
	}
}

func TestDefaultsOfDemo(t *testing.T) {
	got, err := load(Demo, nil, nil, noLimit)
	if err != nil {
		t.Fatal(err)
	}
	if got.FTP != "127.0.0.1:2121" || got.S3 != "127.0.0.1:9000" || got.Dir != "./s3ftpd-demo" ||
		got.User != "demo" || got.Password != "demo" || got.Bucket != "demo" || got.Region != "us-east-1" {
		t.Errorf("got %#v, password %q", got, string(got.Password))
	}
	if got, err = load(Demo, nil, []string{"S3FTPD_PASSWORD=other"}, noLimit); err != nil || got.Password != "other" {
		t.Errorf("with S3FTPD_PASSWORD: %v, %v", got, err)
	}
}

// Each source overrides the weaker ones.
func TestPrecedence(t *testing.T) {
	file := writeFile(t, "s3ftpd.yaml", "bucket: from-file\nregion: from-file\nprefix: from-file\nmax-sessions: 7\n")
	env := append(completeEnv, "S3FTPD_CONFIG="+file, "S3FTPD_BUCKET=from-env", "S3FTPD_REGION=from-env", "S3FTPD_USER=alice")
	got, err := load(Serve, []string{"--bucket=from-flag"}, env, noLimit)
	if err != nil {
		t.Fatal(err)
	}
	if got.Bucket != "from-flag" || got.Region != "from-env" || got.Prefix != "from-file/" || got.MaxSessions != 7 || got.FTP != ":21" {
		t.Errorf("got %+v", got)
	}
}

func TestConfigFlagOverridesEnvironment(t *testing.T) {
	file := writeFile(t, "right.yaml", "region: right")
	got, err := load(Serve, append(completeArgs, "--config", file), append(completeEnv, "S3FTPD_CONFIG=/nowhere"), noLimit)
	if err != nil || got.Region != "right" {
		t.Errorf("got %+v, %v", got, err)
	}
}

// A value sets the same field from each source, regardless of its type in YAML.
func TestValues(t *testing.T) {
	on := true
	for _, c := range []struct {
		name, text, yaml string
		field            func(*Config) any
		want             any
	}{
		{"ftp", "127.0.0.1:2121", "127.0.0.1:2121", func(c *Config) any { return c.FTP }, "127.0.0.1:2121"},
		{"ftp", ":2121", ":2121", func(c *Config) any { return c.FTP }, ":2121"},
		{"ftps", "127.0.0.1:2990", "127.0.0.1:2990", func(c *Config) any { return c.FTPS }, "127.0.0.1:2990"},
		{"ftps", "", `""`, func(c *Config) any { return c.FTPS }, ""},
		{"tls-cert", "x.pem", "x.pem", func(c *Config) any { return c.TLSCert }, "x.pem"},
		{"tls-key", "x.key", "x.key", func(c *Config) any { return c.TLSKey }, "x.key"},
		{"tls-self-signed", "true", "true", func(c *Config) any { return c.TLSSelfSigned }, true},
		{"tls", "optional", "optional", func(c *Config) any { return c.TLS }, "optional"},
		{"tls", "off", `"off"`, func(c *Config) any { return c.TLS }, "off"},
		{"tls-min", "1.3", "1.3", func(c *Config) any { return c.TLSMin }, "1.3"},
		{"tls-legacy", "true", "true", func(c *Config) any { return c.TLSLegacy }, true},
		{"tls-client-ca", "ca.pem", "ca.pem", func(c *Config) any { return c.TLSClientCA }, "ca.pem"},
		{"tls-client-auth", "optional", "optional", func(c *Config) any { return c.TLSClientAuth }, "optional"},
		{"tls-data-session", "require", "require", func(c *Config) any { return c.TLSDataSession }, "require"},
		{"passive-share", "ticket", "ticket", func(c *Config) any { return c.PassiveShare }, "ticket"},
		{"tls-upload-close", "lenient", "lenient", func(c *Config) any { return c.TLSUploadClose }, "lenient"},
		{"user-certificate", "CN=alice,O=b", "CN=alice,O=b", func(c *Config) any { return c.UserCertificate }, "CN=alice,O=b"},
		{"proxy-protocol-from", "10.0.0.0/8,192.0.2.7", "[10.0.0.0/8, 192.0.2.7]", func(c *Config) any { return c.ProxyProtocolFrom },
			[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32")}},
		{"passive-ports", "60000-60099", "60000-60099", func(c *Config) any { return c.PassivePorts }, Ports{60000, 60099}},
		{"passive-ports", "65535", "65535", func(c *Config) any { return c.PassivePorts }, Ports{65535, 65535}},
		{"passive-address", "10.0.0.0/8=auto,ftp.example.com", "[10.0.0.0/8=auto, ftp.example.com]",
			func(c *Config) any { return c.PassiveAddress },
			[]Rule{{netip.MustParsePrefix("10.0.0.0/8"), "auto"}, {Address: "ftp.example.com"}}},
		{"names", "10.0.0.0/8=latin1,alice=shift-jis,gbk", "[10.0.0.0/8=latin1, alice=shift-jis, gbk]", func(c *Config) any { return c.Names },
			Choices[string]{map[string]string{"alice": "shift-jis"}, map[netip.Prefix]string{netip.MustParsePrefix("10.0.0.0/8"): "latin1"}, "gbk"}},
		{"backslash", "true", "true", func(c *Config) any { return c.Backslash }, Choices[bool]{Others: true}},
		{"backslash", "alice,192.0.2.7", "[alice, 192.0.2.7]", func(c *Config) any { return c.Backslash },
			Choices[bool]{Users: map[string]bool{"alice": true}, Networks: map[netip.Prefix]bool{netip.MustParsePrefix("192.0.2.7/32"): true}}},
		{"lenient-dirs", "off", "off", func(c *Config) any { return c.LenientDirs }, Choices[bool]{}},
		{"allo", "10.0.0.0/8=hint,alice=binding,auto", "[10.0.0.0/8=hint, alice=binding, auto]", func(c *Config) any { return c.Allo },
			Choices[string]{map[string]string{"alice": "binding"}, map[netip.Prefix]string{netip.MustParsePrefix("10.0.0.0/8"): "hint"}, "auto"}},
		{"active", "false", "false", func(c *Config) any { return c.Active }, false},
		{"active-port", "0", "0", func(c *Config) any { return c.ActivePort }, uint16(0)},
		{"path-style", "on", "true", func(c *Config) any { return c.PathStyle }, &on},
		{"path-style", "auto", "auto", func(c *Config) any { return c.PathStyle }, (*bool)(nil)},
		{"payload", "signed", `"signed"`, func(c *Config) any { return c.Payload }, "signed"},
		{"request-payer", "true", "true", func(c *Config) any { return c.RequestPayer }, true},
		{"checksum", "sha256", `"sha256"`, func(c *Config) any { return c.Checksum }, "sha256"},
		{"memory", "1GiB", "1073741824", func(c *Config) any { return c.Memory }, int64(1 << 30)},
		{"part-size", "10MB", "|\n  10MB", func(c *Config) any { return c.PartSize }, int64(10_000_000)},
		{"max-parts", "1000", "1000", func(c *Config) any { return c.MaxParts }, 1000},
		{"uniform-parts", "on", "on", func(c *Config) any { return c.UniformParts }, &on},
		{"resume", "90m", "90m", func(c *Config) any { return c.Resume }, 90 * time.Minute},
		{"resume", "off", "off", func(c *Config) any { return c.Resume }, time.Duration(0)},
		{"rename-max", "5", "5", func(c *Config) any { return c.RenameMax }, 5},
		{"list-mtime", "metadata", "metadata", func(c *Config) any { return c.ListMtime }, "metadata"},
		{"storage-class", "STANDARD_IA", "STANDARD_IA", func(c *Config) any { return c.StorageClass }, "STANDARD_IA"},
		{"sse", "AES256", "AES256", func(c *Config) any { return c.SSE }, "AES256"},
		{"acl", "public-read", "public-read", func(c *Config) any { return c.ACL }, "public-read"},
		{"tags", "a=b=c,team=x y", "[a=b=c, team=x y]", func(c *Config) any { return c.Tags }, map[string]string{"a": "b=c", "team": "x y"}},
		{"commit-grace", "50ms", "50ms", func(c *Config) any { return c.CommitGrace }, 50 * time.Millisecond},
		{"commit-grace", "auto", "auto", func(c *Config) any { return c.CommitGrace }, time.Duration(0)},
		{"idle-timeout", "24h", "24h", func(c *Config) any { return c.IdleTimeout }, 24 * time.Hour},
		{"max-sessions-per-ip", "3", "3", func(c *Config) any { return c.MaxSessionsPerIP }, 3},
		{"log-level", "debug", "debug", func(c *Config) any { return c.LogLevel }, slog.LevelDebug},
		{"prefix", "a/b", "a/b/", func(c *Config) any { return c.Prefix }, "a/b/"},
		{"endpoint", "http://[::1]:9000", "http://[::1]:9000", func(c *Config) any { return c.Endpoint }, "http://[::1]:9000"},
	} {
		file := writeFile(t, "s3ftpd.yaml", c.name+": "+c.yaml+"\n")
		for source, args := range map[string][]string{
			"flag": {"--" + c.name + "=" + c.text}, "file": {"--config=" + file}, "environment": nil,
		} {
			t.Run(c.name+" from "+source, func(t *testing.T) {
				env := completeEnv
				if source == "environment" {
					env = append(slices.Clone(env), optionNamed(c.name).env()+"="+c.text)
				}
				got, err := load(Serve, append(requiredArgs(c.name), args...), env, noLimit)
				if err != nil {
					t.Fatal(err)
				}
				if v := c.field(got); !reflect.DeepEqual(v, c.want) {
					t.Errorf("got %v, want %v", v, c.want)
				}
			})
		}
	}
}

// requiredArgs returns arguments that an option requires.
func requiredArgs(option string) []string {
	args := slices.Clone(completeArgs)
	switch option {
	case "tls-cert":
		return append(args, "--tls-key=y")
	case "tls-key":
		return append(args, "--tls-cert=y")
	case "user-certificate", "tls-client-auth":
		return append(args, "--tls-self-signed", "--tls-client-ca=y")
	case "ftps", "tls", "tls-min", "tls-legacy", "tls-client-ca", "tls-data-session", "passive-share":
		return append(args, "--tls-self-signed")
	}
	return args
}

// Every option can be set by a flag, by a variable and in the file.
func TestEveryOptionHasEverySource(t *testing.T) {
	for _, o := range options {
		text := o.defaultIn(Demo)
		if o.name == "config" || o.secret || text == "" || !o.isIn(Demo) {
			continue
		}
		name := writeFile(t, "s3ftpd.yaml", fmt.Sprintf("%s: %q\n", o.name, text))
		for _, c := range []struct{ args, env []string }{
			{args: []string{"--" + o.name + "=" + text}},
			{env: []string{o.env() + "=" + text}},
			{args: []string{"--config", name}},
		} {
			l := &loader{command: Demo, values: map[string]value{}, invalid: map[string]bool{}}
			flags, err := l.flags(c.args)
			env := l.environment(c.env)
			l.apply(l.file(append(env, flags...)))
			l.apply(env)
			l.apply(flags)
			if v := l.values[o.name]; err != nil || len(l.mistakes) > 0 || v.text != text {
				t.Errorf("%s from %v %v: got %q, %v, %v", o.name, c.args, c.env, v.text, l.mistakes, err)
			}
		}
	}
}

func TestErrHelp(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"-h"}, {"--bucket", "x", "--help"}, {"--nonsense", "--help"}} {
		if _, err := load(Serve, args, nil, noLimit); !errors.Is(err, ErrHelp) {
			t.Errorf("%v: got %v", args, err)
		}
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	c, err := load(Serve, completeArgs, completeEnv, noLimit)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "password", c.Password, "config", c)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "password", c.Password, "config", c)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		fmt.Fprintf(&log, verb, c.Password)
	}
	fmt.Fprintf(&log, "%v %+v %#v", c, c, c)
	if strings.Contains(log.String(), "wonderland") || strings.Contains(log.String(), fmt.Sprintf("%x", "wonderland")) {
		t.Errorf("the password is in the output: %s", log.String())
	}
}

// S3 keys alone need neither a user nor a bucket. Beside a user, options may name any key.
func TestAuthS3(t *testing.T) {
	c, err := load(Serve, []string{"--auth", "s3"}, []string{"HOME=/"}, noLimit)
	if err != nil || !slices.Equal(c.Auth, []string{S3Keys}) || c.User != "" || c.Bucket != "" {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := load(Serve, append(completeArgs, "--auth=s3", "--names=AKIAEXAMPLE=latin1,utf-8"), completeEnv, noLimit); err != nil {
		t.Error(err)
	}
	if c, err := load(Serve, []string{"--auth="}, []string{"HOME=/"}, noLimit); err == nil {
		t.Errorf("%+v without a user", c)
	}
}
