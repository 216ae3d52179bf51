package config

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

// What nobody chose is safe where there is a certificate, and off where there is none.
func TestDefaultsWithCertificate(t *testing.T) {
	type chosen struct {
		ftp, ftps, tls string
		selfSigned     bool
	}
	for _, c := range []struct {
		command, args string
		want          chosen
	}{
		{Serve, "", chosen{":21", "", "off", false}},
		{Serve, "--tls-self-signed", chosen{":21", ":990", "required", true}},
		{Serve, "--tls-cert=x --tls-key=y", chosen{":21", ":990", "required", false}},
		{Serve, "--tls-cert=x --tls-key=y --tls-self-signed=false", chosen{":21", ":990", "required", false}},
		{Serve, "--tls-cert= --tls-key=", chosen{":21", "", "off", false}},
		{Serve, "--tls-self-signed --ftps= --tls=optional", chosen{":21", "", "optional", true}},
		{Serve, "--tls-self-signed --ftp=", chosen{"", ":990", "required", true}},
		{Serve, "--tls-self-signed --tls=off", chosen{":21", ":990", "off", true}},
		{Serve, "--tls-self-signed --tls=off --ftps=", chosen{":21", "", "off", true}}, // the start warns of it
		{Serve, "--ftps=", chosen{":21", "", "off", false}},
		{Serve, "--tls-self-signed --ftp=127.0.0.1:0 --ftps=127.0.0.1:0", chosen{"127.0.0.1:0", "127.0.0.1:0", "required", true}},
		{Serve, "--tls-self-signed --tls-client-ca=ca --ftp= --tls=off", chosen{"", ":990", "off", true}},
		{Demo, "", chosen{"127.0.0.1:2121", "127.0.0.1:2990", "optional", true}},
		{Demo, "--tls-self-signed=false", chosen{"127.0.0.1:2121", "", "off", false}},
		{Demo, "--tls-cert=x --tls-key=y", chosen{"127.0.0.1:2121", "127.0.0.1:2990", "optional", false}},
		{Demo, "--tls-client-ca=ca", chosen{"127.0.0.1:2121", "127.0.0.1:2990", "required", true}},
		{Demo, "--ftps= --tls=required", chosen{"127.0.0.1:2121", "", "required", true}},
	} {
		args := strings.Fields(c.args)
		if c.command == Serve {
			args = append(args, completeArgs...)
		}
		got, err := load(c.command, args, completeEnv, machine)
		if err != nil {
			t.Errorf("%s %s: %v", c.command, c.args, err)
			continue
		}
		if is := (chosen{got.FTP, got.FTPS, got.TLS, got.TLSSelfSigned}); is != c.want {
			t.Errorf("%s %s: got %+v, want %+v", c.command, c.args, is, c.want)
		}
	}
}

// A source port that was asked for is that of all active data connections, the default one too.
func TestActivePort(t *testing.T) {
	for args, want := range map[string][2]uint16{"": {20, 989}, "--active-port=0": {0, 0}, "--active-port=20": {20, 20}, "--active-port=7": {7, 7}} {
		got, err := load(Serve, append(strings.Fields(args), completeArgs...), completeEnv, machine)
		if err != nil || got.ActivePort != want[0] || got.ActivePortTLS != want[1] {
			t.Errorf("%s: got %v, %v", args, got, err)
		}
	}
}

// A certificate needs no password beside it, and allows one.
func TestCertificateForPassword(t *testing.T) {
	args := append([]string{"--tls-self-signed", "--tls-client-ca=ca.pem", "--user-certificate=alice"}, completeArgs...)
	for _, env := range [][]string{nil, completeEnv} {
		got, err := load(Serve, args, env, machine)
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
		"::ffff:0:0/95,127.0.0.1": nil, // no network of IPv4, and not written as one of IPv6
	} {
		got, err := parseNetworks(text)
		if (err != nil) != (want == nil) || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for text, says := range map[string]string{
		"": "no network", "10.0.0.0/8,": "no network", "10.0.0.1/8": "10.0.0.0/8", "fe80::1%eth0": "no network", "::ffff:10.0.0.1/104": "10.0.0.0/8",
	} {
		if got, err := parseNetworks(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v, %v, want a word of %q", text, got, err, says)
		}
	}
}

// What is asked of TLS and cannot be had, or could be got round, is not left to be found out.
func TestMistakesOfTLS(t *testing.T) {
	testMistakes(t, map[string]mistaken{
		"nothing to listen on, with TLS": {
			args: append(completeArgs, "--ftp=", "--ftps=", "--tls-self-signed"),
			want: []string{`--ftp "": nothing would be listened on; an address such as :21 is wanted`},
		},
		"one address for both": {
			args: append(completeArgs, "--ftp=:2121", "--ftps=:2121", "--tls-self-signed"),
			want: []string{`--ftps ":2121": is the address of --ftp too; the usual ones are :21 for --ftp and :990 for --ftps`},
		},
		"certificate without a key": {
			args: append(completeArgs, "--tls-cert=x.pem", "--tls=required"),
			want: []string{`--tls-cert "x.pem": has no key: --tls-key has to name the file with its private key, which may be the same file`},
		},
		"key without a certificate": {
			args: append(completeArgs, "--tls-key=x.key", "--tls=required"),
			want: []string{`--tls-key "x.key": has no certificate: --tls-cert has to name the file with it`},
		},
		"two certificates": {
			args: append(completeArgs, "--tls-key=x.key", "--tls-self-signed"), env: append(completeEnv, "S3FTPD_TLS_CERT=x.pem"),
			want: []string{`--tls-self-signed: there is S3FTPD_TLS_CERT too; one certificate is enough`},
		},
		"a key beside a certificate of one's own": {
			args: append(completeArgs, "--tls-key=x.key", "--tls-self-signed"),
			want: []string{`--tls-self-signed: there is --tls-key too; one certificate is enough`},
		},
		"TLS without a certificate": {
			args: append(completeArgs, "--ftps=:990", "--tls=optional", "--tls-min=1.3", "--tls-client-ca=ca.pem"), file: "tls-data-session: require\n",
			want: []string{
				`--ftps ":990": needs a certificate: --tls-cert and --tls-key, or --tls-self-signed`,
				`--tls "optional": needs a certificate: --tls-cert and --tls-key, or --tls-self-signed`,
				`--tls-min "1.3": needs a certificate: --tls-cert and --tls-key, or --tls-self-signed`,
				`--tls-client-ca "ca.pem": needs a certificate: --tls-cert and --tls-key, or --tls-self-signed`,
				`FILE:1: tls-data-session "require": needs a certificate: --tls-cert and --tls-key, or --tls-self-signed`,
			},
		},
		"old versions of TLS, and not": {
			args: append(completeArgs, "--tls-self-signed", "--tls-legacy", "--tls-min=1.2"),
			want: []string{`--tls-legacy: allows TLS 1.0, and --tls-min "1.2" does not; leave one of them out`},
		},
		"old versions of TLS in a file, and not": {
			args: append(completeArgs, "--tls-self-signed"), env: append(completeEnv, "S3FTPD_TLS_MIN=1.3"), file: "tls-legacy: true\n",
			want: []string{`FILE:1: tls-legacy: allows TLS 1.0, and S3FTPD_TLS_MIN "1.3" does not; leave one of them out`},
		},
		"old versions of TLS without a certificate": {
			args: append(completeArgs, "--tls-legacy"),
			want: []string{`--tls-legacy "true": needs a certificate: --tls-cert and --tls-key, or --tls-self-signed`},
		},
		"tickets that nobody has": {
			args: append(completeArgs, "--tls-self-signed", "--tls-data-session=off", "--passive-share=ticket"),
			want: []string{`--passive-share "ticket": needs tickets: --tls-data-session "off" gives clients none, offer or require does`},
		},
		"a demo without a certificate": {
			command: Demo, args: []string{"--tls-self-signed=false", "--tls=optional"}, env: []string{"HOME=/"},
			want: []string{`--tls "optional": needs a certificate: --tls-cert and --tls-key, or --tls-self-signed`},
		},
		"a way round the clients' certificates": {
			args: append(completeArgs, "--tls-self-signed", "--tls-client-ca=ca.pem", "--tls=optional"),
			want: []string{`--tls "optional": lets clients in on --ftp without the certificate that --tls-client-ca asks for; --tls required is wanted, or --ftp ""`},
		},
		"a certificate as a password that nobody vouches for": {
			args: append(completeArgs, "--user-certificate=alice"),
			want: []string{`--user-certificate "alice": needs --tls-client-ca, which says whose certificates are believed`},
		},
		"a certificate of nobody": {
			args: []string{"--bucket=invoices", "--tls-self-signed", "--tls-client-ca=ca.pem", "--user-certificate=alice"}, env: []string{"HOME=/"},
			want: []string{`--user: is missing: who may log in? The password comes from S3FTPD_PASSWORD or --password-file`},
		},
		"a certificate that cannot be": {
			args: append(completeArgs, "--user-certificate= alice"),
			want: []string{`--user-certificate " alice": the common name or the whole subject of a certificate is wanted, such as alice or CN=alice,O=Example`},
		},
		"a load balancer without an address": {
			args: append(completeArgs, "--proxy-protocol-from=10.0.0.0/8,lb"),
			want: []string{`--proxy-protocol-from "10.0.0.0/8,lb": "lb" is no network; one looks like 10.0.0.0/8`},
		},
	})
}
