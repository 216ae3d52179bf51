package ftp

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"testing"
)

// FuzzIdentify checks that identify loses no bytes of a data connection, and accepts only tickets of this server.
func FuzzIdentify(f *testing.F) {
	srv := &Server{TLS: &TLS{Share: true, Config: func() *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{serverCertificate()}}
	}}}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		hello := helloOf(f, version)
		f.Add(hello)
		f.Add(hello[:len(hello)/2])
		f.Add(append(hello, "and more"...))
	}
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add([]byte{22, 3, 1, 255, 255})
	f.Fuzz(func(t *testing.T, in []byte) {
		near, far := net.Pipe()
		defer far.Close()
		go func() {
			near.Write(in)
			near.Close()
		}()
		conn, id := srv.identify(t.Context(), far)
		if id != "" {
			t.Errorf("the connection is identified as session %q", id)
		}
		if got, err := io.ReadAll(conn); err != nil || !bytes.Equal(got, in) {
			t.Errorf("%d of %d bytes are left, %v", len(got), len(in), err)
		}
	})
}

// helloOf returns the first message of a client with this TLS version.
func helloOf(t testing.TB, version uint16) []byte {
	near, far := net.Pipe()
	go tls.Client(near, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version}).HandshakeContext(t.Context())
	hello := make([]byte, 16<<10)
	n, err := far.Read(hello)
	if err != nil {
		t.Fatal(err)
	}
	far.Close()
	return hello[:n]
}
