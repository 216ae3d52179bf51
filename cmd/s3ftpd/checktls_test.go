package main

import (
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// check reports the effect of the TLS options, one line each.
func TestCheckTLS(t *testing.T) {
	endpoint := checkable(t)
	d := newPairDir(t)
	ca := issue(t, called("ca"), year, nil)
	server, old, late := issue(t, called("server"), year, &ca), issue(t, called("old"), -time.Hour, &ca), issue(t, called("late"), soon-time.Hour, &ca)
	for name, i := range map[string]real.Certificate{"good": server, "old": old, "late": late, "ca": ca} {
		d.write(name, i.Cert)
		d.write(name+".key", i.Key)
	}
	d.write("cas", ca.Cert, old.Cert)
	in := func(name string) string { return filepath.Join(d.dir, name) }
	pair := func(name string, more ...string) []string {
		return append([]string{"--tls-cert=" + in(name), "--tls-key=" + in(name+".key"), "--ftps=127.0.0.1:0"}, more...)
	}
	free := real.FreeAddr(t)
	_, freePort, _ := net.SplitHostPort(real.FreeAddr(t))
	for name, test := range map[string]struct {
		args []string
		fail bool
		says []string
	}{
		"good": {pair("good"), false, []string{fmt.Sprintf("ok    --tls-cert %q matches its key and is valid until %s\nok    the certificate is for ftp.example.com, 127.0.0.1: ",
			in("good"), server.Leaf.NotAfter.UTC().Format(time.DateOnly)), "ok    TLS is required on --ftp", "ok    data connections may resume", "ok    --ftps 127.0.0.1:0 can"}},
		"another's key": {pair("good", "--tls-key="+in("ca.key")), true, []string{"FAIL  --tls-key", "does not belong to the certificate"}},
		"no files":      {pair("nowhere"), true, []string{"FAIL  --tls-cert", "\nFAIL  --tls-key"}},
		"old":           {pair("old"), true, []string{"FAIL  --tls-cert", "has expired, and clients refuse it: it is valid from"}},
		"late":          {pair("late"), false, []string{"warn  --tls-cert", "expires soon, on " + late.Leaf.NotAfter.UTC().Format(time.DateOnly)}},
		"self-signed":   {[]string{"--tls-self-signed", "--ftps="}, false, []string{"ok    a certificate for ", ", 127.0.0.1", "is made at each start"}},
		"optional":      {[]string{"--tls-self-signed", "--ftps=", "--tls=optional"}, false, []string{"warn  on --ftp, passwords and files of clients that do not ask"}},
		"off on --ftp":  {pair("good", "--tls=off"), false, []string{"warn  on --ftp, passwords and files go in clear, since --tls is off"}},
		"unused":        {pair("good", "--tls=off", "--ftps="), false, []string{"warn  nothing uses the certificate"}},
		"--ftps alone":  {pair("good", "--ftp=", "--ftps="+free), false, []string{"ok    --ftps " + free + " can be listened on", "ok    PASV (227) tells local clients 127.0.0.1"}},
		"versions":      {pair("good"), false, []string{"ok    TLS 1.2 and 1.3 are enabled, TLS 1.2 with TLS_ECDHE_"}},
		"TLS 1.3 alone": {pair("good", "--tls-min=1.3"), false, []string{"ok    TLS 1.3 is enabled, and no older version"}},
		"old devices": {pair("good", "--tls-legacy"), false, []string{"warn  TLS 1.0 to 1.3 are enabled", " with TLS_RSA_WITH_3DES_EDE_CBC_SHA, TLS_RSA_WITH_AES_128_CBC_SHA,",
			"has no RSA key"}},
		"no resumption": {pair("good", "--tls-data-session=off"), false, []string{"warn  data connections cannot resume"}},
		"required":      {pair("good", "--tls-data-session=require"), false, []string{"ok    data connections must resume", "ftplib does not"}},
		"lenient":       {pair("good", "--tls-upload-close=lenient"), false, []string{"warn  an upload that is cut"}},
		"clients": {pair("good", "--tls-client-ca="+in("cas"), "--user-certificate=alice"), false, []string{
			"ok    clients must show a certificate from CN=ca or CN=old; that of alice replaces the password of alice\n", "the certificate of CN=old has expired\n"}},
		"clients without": {pair("good", "--tls-client-ca="+in("cas"), "--tls-client-auth=optional"), false, []string{
			"ok    clients may show a certificate from CN=ca or CN=old\n"}},
		"no clients' authority": {pair("good", "--tls-client-ca="+in("good.key")), true, []string{"FAIL  --tls-client-ca", "only PRIVATE KEY"}},
		"a source port":         {pair("good", "--active", "--active-port="+freePort), false, []string{"ok    active data connections leave from port " + freePort}},
		"PROXY":                 {[]string{"--proxy-protocol-from=10.0.0.0/8,192.0.2.1"}, false, []string{"ok    connections from 10.0.0.0/8, 192.0.2.1/32 must begin"}},
		"PROXY from everywhere": {[]string{"--proxy-protocol-from=10.0.0.0/8,0.0.0.0/0"}, false, []string{"warn  every client can claim any address"}},
		"--ftps taken":          {pair("good", "--ftps="+taken(t)), true, []string{"FAIL  --ftps", "advice: stop the program that uses the port"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, text := checked(t, checkArgs(endpoint, test.args...))
			for _, says := range test.says {
				if (code != 0) != test.fail || !strings.Contains(text, says) || !strings.Contains(text, "ok    an object can be deleted") {
					t.Errorf("%d, without %q:\n%s", code, says, text)
				}
			}
			if strings.Count(text, "leave from port") > 1 {
				t.Errorf("one port is tried twice:\n%s", text)
			}
		})
	}
	// With both listeners, both active source ports are tried.
	_, _, text := checked(t, checkArgs(endpoint, pair("good", "--active")...))
	if !regexp.MustCompile(`leave from (port 20|any port, not from 20)\b`).MatchString(text) || !regexp.MustCompile(`leave from (port 989|any port, not from 989)\b`).MatchString(text) {
		t.Error(text)
	}
}
