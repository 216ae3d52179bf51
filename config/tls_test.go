package config

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

// With a certificate, TLS is required by default; without one it is off.
func TestDefaultsWithCertificate(t *testing.T) {
	type settings struct {
		ftp, ftps, tls string
		selfSigned     bool
	}
	for _, c := range []struct {
		command, args string
		want          settings
	}{
		{Serve, "", settings{":21", "", "off", false}},
		{Serve, "--tls-self-signed", settings{":21", ":990", "required", true}},
		{Serve, "--tls-cert=x --tls-key=y", settings{":21", ":990", "required", false}},
		{Serve, "--tls-cert=x --tls-key=y --tls-self-signed=false", settings{":21", ":990", "required", false}},
		{Serve, "--tls-cert= --tls-key=", settings{":21", "", "off", false}},
		{Serve, "--tls-self-signed --ftps= --tls=optional", settings{":21", "", "optional", true}},
		{Serve, "--tls-self-signed --ftp=127.0.0.1:2121", settings{"127.0.0.1:2121", "127.0.0.1:990", "required", true}},
		{Serve, "--tls-self-signed --ftp=[::1]:21", settings{"[::1]:21", "[::1]:990", "required", true}},
		{Serve, "--tls-self-signed --ftp=", settings{"", ":990", "required", true}},
		{Serve, "--tls-self-signed --tls=off", settings{":21", ":990", "off", true}},
		{Serve, "--tls-self-signed --tls=off --ftps=", settings{":21", "", "off", true}}, // serve warns
		{Serve, "--ftps=", settings{":21", "", "off", false}},
		{Serve, "--tls-self-signed --ftp=127.0.0.1:0 --ftps=127.0.0.1:0", settings{"127.0.0.1:0", "127.0.0.1:0", "required", true}},
		{Serve, "--tls-self-signed --tls-client-ca=ca --ftp= --tls=off", settings{"", ":990", "off", true}},
		{Demo, "", settings{"127.0.0.1:2121", "127.0.0.1:2990", "optional", true}},
		{Demo, "--tls-self-signed=false", settings{"127.0.0.1:2121", "", "off", false}},
		{Demo, "--tls-cert=x --tls-key=y", settings{"127.0.0.1:2121", "127.0.0.1:2990", "optional", false}},
		{Serve, "--tls-self-signed --tls-client-ca=ca --tls-client-auth=optional --tls=optional", settings{":21", ":990", "optional", true}},
		{Demo, "--tls-client-ca=ca", settings{"127.0.0.1:2121", "127.0.0.1:2990", "required", true}},
		{Demo, "--ftps= --tls=required", settings{"127.0.0.1:2121", "", "required", true}},
	} {
		args := strings.Fields(c.args)
		if c.command == Serve {
			args = append(args, completeArgs...)
		}
		got, err := load(c.command, args, completeEnv, noLimit)
		if err != nil {
			t.Errorf("%s %s: %v", c.command, c.args, err)
			continue
		}
		if is := (settings{got.FTP, got.FTPS, got.TLS, got.TLSSelfSigned}); is != c.want {
			t.Errorf("%s %s: got %+v, want %+v", c.command, c.args, is, c.want)
		}
	}
}

// A source port that is set, even to the default, applies to implicit TLS too.
func TestActivePort(t *testing.T) {
	for args, want := range map[string][2]uint16{"": {20, 989}, "--active-port=0": {0, 0}, "--active-port=20": {20, 20}, "--active-port=7": {7, 7}} {
		got, err := load(Serve, append(strings.Fields(args), completeArgs...), completeEnv, noLimit)
		if err != nil || got.ActivePort != want[0] || got.ActivePortTLS != want[1] {
			t.Errorf("%s: got %v, %v", args, got, err)
		}
	}
}

// With a certificate for the user, the password is optional.
func TestUserCertificateWithoutPassword(t *testing.T) {
	args := append([]string{"--tls-self-signed", "--tls-client-ca=ca.pem", "--user-certificate=alice"}, completeArgs...)
	for _, env := range [][]string{nil, completeEnv} {
		got, err := load(Serve, args, env, noLimit)
		if err != nil || got.UserCertificate != "alice" || (got.Password == "") != (env == nil) {
			t.Errorf("%v: got %v, %v", env, got, err)
		}
	}
}

func TestParseNetworks(t *testing.T) {
	network := netip.MustParsePrefix
	for text, want := range map[string][]netip.Prefix{
		"10.0.0.0/8":              {network("10.0.0.0/8")},
		"192.0.2.7, fd00::/8":     {network("192.0.2.7/32"), network("fd00::/8")},
		"::1":                     {network("::1/128")},
		"0.0.0.0/0,::/0":          {network("0.0.0.0/0"), network("::/0")},
		"::ffff:10.0.0.0/104":     {network("10.0.0.0/8")},
		"::ffff:192.0.2.7":        {network("192.0.2.7/32")},
		"::ffff:0:0/95,127.0.0.1": nil, // neither an IPv4 network nor a proper IPv6 network
	} {
		got, err := parseNetworks(text)
		if (err != nil) != (want == nil) || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for text, wantErr := range map[string]string{
		"": "not a network", "10.0.0.0/8,": "not a network", "10.0.0.1/8": "10.0.0.0/8", "fe80::1%eth0": "not a network", "::ffff:10.0.0.1/104": "10.0.0.0/8",
	} {
		if got, err := parseNetworks(text); err == nil || !strings.Contains(err.Error(), wantErr) {
			t.Errorf("%q: got %v, %v, want an error with %q", text, got, err, wantErr)
		}
	}
}

// TLS options that would have no effect, or that could be bypassed, are reported.
func TestTLSMistakes(t *testing.T) {
	testMistakes(t, map[string]mistakeCase{
		"no listener, with TLS": {
			args: append(completeArgs, "--ftp=", "--ftps=", "--tls-self-signed"),
			want: []string{`--ftp "": no listener: one of --ftp, --ftps and --sftp must be an address, e.g. :21`},
		},
		"one address for both": {
			args: append(completeArgs, "--ftp=:2121", "--ftps=:2121", "--tls-self-signed"),
			want: []string{`--ftps ":2121": must differ from --ftp; the standard ports are :21 for --ftp and :990 for --ftps`},
		},
		"certificate without a key": {
			args: append(completeArgs, "--tls-cert=x.pem", "--tls=required"),
			want: []string{`--tls-cert "x.pem": requires --tls-key, the file with the private key, which may be the same file`},
		},
		"key without a certificate": {
			args: append(completeArgs, "--tls-key=x.key", "--tls=required"),
			want: []string{`--tls-key "x.key": requires --tls-cert, the file with the certificate`},
		},
		"two certificates": {
			args: append(completeArgs, "--tls-key=x.key", "--tls-self-signed"), env: append(completeEnv, "S3FTPD_TLS_CERT=x.pem"),
			want: []string{`--tls-self-signed: must not be combined with S3FTPD_TLS_CERT`},
		},
		"key and self-signed certificate": {
			args: append(completeArgs, "--tls-key=x.key", "--tls-self-signed"),
			want: []string{`--tls-self-signed: must not be combined with --tls-key`},
		},
		"TLS without a certificate": {
			args: append(completeArgs, "--ftps=:990", "--tls=optional", "--tls-min=1.3", "--tls-client-ca=ca.pem"), file: "tls-data-session: require\n",
			want: []string{
				`--ftps ":990": requires a certificate: set --tls-cert and --tls-key, or --tls-self-signed`,
				`--tls "optional": requires a certificate: set --tls-cert and --tls-key, or --tls-self-signed`,
				`--tls-min "1.3": requires a certificate: set --tls-cert and --tls-key, or --tls-self-signed`,
				`--tls-client-ca "ca.pem": requires a certificate: set --tls-cert and --tls-key, or --tls-self-signed`,
				`FILE:1: tls-data-session "require": requires a certificate: set --tls-cert and --tls-key, or --tls-self-signed`,
			},
		},
		"--tls-legacy and --tls-min": {
			args: append(completeArgs, "--tls-self-signed", "--tls-legacy", "--tls-min=1.2"),
			want: []string{`--tls-legacy: must not be combined with --tls-min "1.2": it allows TLS 1.0`},
		},
		"--tls-legacy in a file, S3FTPD_TLS_MIN": {
			args: append(completeArgs, "--tls-self-signed"), env: append(completeEnv, "S3FTPD_TLS_MIN=1.3"), file: "tls-legacy: true\n",
			want: []string{`FILE:1: tls-legacy: must not be combined with S3FTPD_TLS_MIN "1.3": it allows TLS 1.0`},
		},
		"--tls-legacy without a certificate": {
			args: append(completeArgs, "--tls-legacy"),
			want: []string{`--tls-legacy "true": requires a certificate: set --tls-cert and --tls-key, or --tls-self-signed`},
		},
		"tickets without session resumption": {
			args: append(completeArgs, "--tls-self-signed", "--tls-data-session=off", "--passive-share=ticket"),
			want: []string{`--passive-share "ticket": requires session tickets: --tls-data-session must be offer or require, not off`},
		},
		"demo without a certificate": {
			command: Demo, args: []string{"--tls-self-signed=false", "--tls=optional"}, env: []string{"HOME=/"},
			want: []string{`--tls "optional": requires a certificate: set --tls-cert and --tls-key, or --tls-self-signed`},
		},
		"login without a client certificate": {
			args: append(completeArgs, "--tls-self-signed", "--tls-client-ca=ca.pem", "--tls=optional"),
			want: []string{`--tls "optional": lets clients log in without the certificate of --tls-client-ca: must be required, or set --tls-client-auth optional, or --ftp ""`},
		},
		"optional client certificates without a client CA": {
			args: append(completeArgs, "--tls-self-signed", "--tls-client-auth=optional"),
			want: []string{`--tls-client-auth "optional": requires --tls-client-ca, the CAs of client certificates`},
		},
		"user certificate without a client CA": {
			args: append(completeArgs, "--user-certificate=alice"),
			want: []string{`--user-certificate "alice": requires --tls-client-ca, the CAs of client certificates`},
		},
		"user certificate without a user": {
			args: []string{"--bucket=invoices", "--tls-self-signed", "--tls-client-ca=ca.pem", "--user-certificate=alice"}, env: []string{"HOME=/"},
			want: []string{`--user: is missing: must be a user name, with S3FTPD_PASSWORD or --password-file; many users are in the file of --users`},
		},
		"invalid subject": {
			args: append(completeArgs, "--user-certificate= alice"),
			want: []string{`--user-certificate " alice": must be the common name or the whole subject of a certificate, e.g. alice or CN=alice,O=Example`},
		},
		"load balancer without an address": {
			args: append(completeArgs, "--proxy-protocol-from=10.0.0.0/8,lb"),
			want: []string{`--proxy-protocol-from "10.0.0.0/8,lb": "lb" is not a network: must be like 10.0.0.0/8`},
		},
	})
}
