package proxy

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
)

func TestService(t *testing.T) {
	for _, x := range []struct{ protocol, tls, want string }{{"ftp", "", "ftp"}, {"ftp", "TLS 1.3", "ftps"}, {"sftp", "", "sftp"}} {
		if got := (Attempt{Protocol: x.protocol, TLS: x.tls}).Service(); got != x.want {
			t.Errorf("%s with %q: %s, want %s", x.protocol, x.tls, got, x.want)
		}
	}
}

func TestSubject(t *testing.T) {
	subject, err := asn1.Marshal(pkix.Name{CommonName: "scanner, 7", Organization: []string{"Example"}}.ToRDNSequence())
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		certificate *x509.Certificate
		want        string
	}{
		{nil, ""},
		{&x509.Certificate{}, ""},
		{&x509.Certificate{RawSubject: subject}, `CN=scanner\, 7,O=Example`},
		{&x509.Certificate{RawSubject: append(subject, 0)}, ""},
	} {
		if got := (Attempt{Certificate: x.certificate}).Subject(); got != x.want {
			t.Errorf("got %s, want %s", got, x.want)
		}
	}
}
