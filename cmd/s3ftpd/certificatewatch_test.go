package main

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// A watched certificate reloads its files inside a synctest bubble.
type watched struct {
	t       *testing.T
	k       *certificate
	log     *console
	hangups chan os.Signal
	said    int // bytes of the log that were checked
}

func watch(t *testing.T, c *config.Config, every time.Duration) *watched {
	t.Helper()
	w := &watched{t: t, log: newConsole(), hangups: make(chan os.Signal, 1)}
	k, err := openCertificate(c, newLog(&config.Config{LogFormat: "json"}, w.log))
	if err != nil {
		t.Fatal(err)
	}
	w.k, w.said = k, len(w.log.String())
	go k.reloadOnChange(t.Context(), every, w.hangups)
	return w
}

// is compares the certificate in use, and the log lines since the last call, with the expected ones.
func (w *watched) is(when string, want real.Certificate, says ...string) {
	w.t.Helper()
	synctest.Wait()
	text := w.log.String()
	text, w.said = text[w.said:], len(text)
	if !w.k.leaf().Equal(want.Leaf) {
		w.t.Errorf("%s: %s is in use", when, w.k.leaf().Subject)
	}
	if strings.Count(text, "\n") != len(says) {
		w.t.Errorf("%s: the log says %q", when, text)
	}
	for _, s := range says {
		if !strings.Contains(text, s) {
			w.t.Errorf("%s: the log says %q, not %q", when, text, s)
		}
	}
}

func (w *watched) look() { <-time.After(lookEvery) }

func TestCertificateIsKeptUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newPairDir(t)
		first, second, third := issue(t, called("first"), year, nil), issue(t, called("second"), year, nil), issue(t, called("third"), year, nil)
		d.put(first)
		w := watch(t, d.c, lookEvery)
		begun := w.k.config()
		w.look()
		w.is("nothing has changed", first)
		d.put(second)
		w.is("not looked at yet", first)
		w.look()
		w.is("a good pair", second, "CN=second")
		if !begun.Certificates[0].Leaf.Equal(first.Leaf) {
			t.Error("what a session has begun with was changed")
		}

		d.write("tls.crt", third.Cert)
		w.look()
		w.is("half of a pair, perhaps in the middle of a change", second)
		d.write("tls.key", third.Key)
		w.look()
		w.is("the other half", third, "CN=third")

		d.write("tls.key", first.Key)
		w.look()
		w.is("a bad pair, once", third)
		w.look()
		w.is("a bad pair, still", third, "does not belong to the certificate")
		for range 100 {
			w.look()
		}
		w.is("a bad pair, still and still", third)
		w.hangups <- syscall.SIGHUP
		w.is("a bad pair, asked for", third, "does not belong to the certificate")
		os.Remove(d.c.TLSKey)
		w.look()
		w.look()
		w.is("no key", third, "no such file")
		d.write("tls.key", third.Key)
		w.look()
		w.is("all is well again", third, "CN=third")
		w.hangups <- syscall.SIGHUP
		w.is("asked for", third, "CN=third")
	})
}

// SIGHUP reloads the certificate at once.
func TestHangupReadsTheCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newPairDir(t)
		first, second := issue(t, called("first"), year, nil), issue(t, called("second"), year, nil)
		d.put(first)
		w := watch(t, d.c, lookEvery)
		d.put(second)
		w.hangups <- syscall.SIGHUP
		w.is("at once", second, "CN=second")
	})
}

// Kubernetes replaces a symbolic link to the directory instead of the files.
func TestLinkIsSwapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := newPairDir(t)
		first, second := issue(t, called("first"), year, nil), issue(t, called("second"), year, nil)
		link := func(version string, i real.Certificate) {
			dir := filepath.Join(root.dir, version)
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			pairDir{t: t, dir: dir}.put(i)
			if err := os.Symlink(version, filepath.Join(root.dir, "..new")); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(root.dir, "..new"), filepath.Join(root.dir, "..data")); err != nil {
				t.Fatal(err)
			}
		}
		link("..1", first)
		for _, name := range []string{"tls.crt", "tls.key"} {
			if err := os.Symlink(filepath.Join("..data", name), filepath.Join(root.dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		w := watch(t, root.c, lookEvery)
		link("..2", second)
		w.look()
		w.is("swapped", second, "CN=second")
	})
}

// An expiry warning is logged at the start, and also later, without a change of the files.
func TestEndOfCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newPairDir(t)
		old := issue(t, called("old"), soon+time.Hour, nil)
		d.put(old)
		w := watch(t, d.c, time.Minute) // long, because the test spans 14 days
		<-time.After(time.Hour - time.Minute)
		w.is("a fortnight and a minute before", old)
		<-time.After(2 * time.Minute)
		w.is("a fortnight before", old, "expires soon")
		<-time.After(soon - time.Hour)
		w.is("an hour before", old)
		<-time.After(time.Hour)
		w.is("at the end", old, "has expired")
		fresh := issue(t, called("fresh"), year, nil)
		d.put(fresh)
		<-time.After(time.Minute)
		w.is("a new one", fresh, "CN=fresh")

		log := newConsole()
		d.put(old)
		if _, err := openCertificate(d.c, newLog(&config.Config{LogFormat: "json"}, log)); err != nil || !strings.Contains(log.String(), "has expired") {
			t.Errorf("a start with an old one: %v, %s", err, log)
		}
	})
}

// --tls-client-ca is reloaded too, also together with a self-signed certificate.
func TestClientAuthoritiesAreKeptUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newPairDir(t)
		first, second := issue(t, called("first"), year, nil), issue(t, called("second"), year, nil)
		d.write("ca.crt", first.Cert)
		w := watch(t, &config.Config{TLSSelfSigned: true, TLSClientCA: filepath.Join(d.dir, "ca.crt")}, lookEvery)
		own := real.Certificate{Leaf: w.k.leaf()}
		before := w.k.config().ClientCAs
		d.write("ca.crt", second.Cert)
		w.look()
		w.is("another authority", own, fingerprint(own.Leaf))
		if after := w.k.config(); after.ClientCAs.Equal(before) || after.ClientAuth != tls.RequireAndVerifyClientCert {
			t.Error("the authority is the one before")
		}
	})
}
