package sftp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// rsaKeys has keys of 1024, 2047, 2048 and 3072 bits, by length.
var rsaKeys = sync.OnceValue(func() map[int]ssh.Signer {
	keys := map[int]ssh.Signer{}
	for _, bits := range []int{1024, 2047, 2048, 3072} {
		private, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		if keys[bits], err = ssh.NewSignerFromSigner(private); err != nil {
			panic(err)
		}
	}
	return keys
})

func newECDSAKey(t *testing.T) ssh.Signer {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewSignerFromSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// allHostKeys returns keys of all types and lengths.
func allHostKeys(t *testing.T) []ssh.Signer {
	keys := []ssh.Signer{newECDSAKey(t)}
	for _, bits := range []int{1024, 2047, 2048, 3072} {
		keys = append(keys, rsaKeys()[bits])
	}
	return append(keys, newKey(t))
}

// Each algorithm that package ssh has is offered by default, with legacy, or not at all.
func TestAlgorithms(t *testing.T) {
	known, insecure := ssh.SupportedAlgorithms(), ssh.InsecureAlgorithms()
	for _, c := range []struct {
		name                     string
		all                      []string
		strict, standard, legacy string
		of                       func(ssh.Algorithms) []string
	}{
		{"key exchanges", slices.Concat(known.KeyExchanges, insecure.KeyExchanges),
			"mlkem768x25519-sha256",
			"curve25519-sha256 ecdh-sha2-nistp256 ecdh-sha2-nistp384 ecdh-sha2-nistp521 diffie-hellman-group16-sha512 diffie-hellman-group14-sha256",
			"diffie-hellman-group-exchange-sha256 diffie-hellman-group14-sha1 diffie-hellman-group-exchange-sha1 diffie-hellman-group1-sha1",
			func(a ssh.Algorithms) []string { return a.KeyExchanges }},
		{"ciphers", slices.Concat(known.Ciphers, insecure.Ciphers),
			"aes128-gcm@openssh.com aes256-gcm@openssh.com chacha20-poly1305@openssh.com aes128-ctr aes192-ctr aes256-ctr", "",
			"aes128-cbc 3des-cbc", func(a ssh.Algorithms) []string { return a.Ciphers }},
		{"MACs", slices.Concat(known.MACs, insecure.MACs),
			"hmac-sha2-256-etm@openssh.com hmac-sha2-512-etm@openssh.com", "hmac-sha2-256 hmac-sha2-512", "hmac-sha1 hmac-sha1-96",
			func(a ssh.Algorithms) []string { return a.MACs }},
		{"users' keys", slices.Concat(known.PublicKeyAuths, insecure.PublicKeyAuths),
			"ssh-ed25519 sk-ssh-ed25519@openssh.com rsa-sha2-512 rsa-sha2-256",
			"ecdsa-sha2-nistp256 ecdsa-sha2-nistp384 ecdsa-sha2-nistp521 sk-ecdsa-sha2-nistp256@openssh.com", "ssh-rsa",
			func(a ssh.Algorithms) []string { return a.PublicKeyAuths }},
	} {
		strict := strings.Fields(c.strict)
		standard := append(strict, strings.Fields(c.standard)...)
		legacy := append(standard, strings.Fields(c.legacy)...)
		for choice, want := range map[Algorithms][]string{StrictAlgorithms: strict, DefaultAlgorithms: standard, LegacyAlgorithms: legacy} {
			got := c.of(choice.list())
			if !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", c.name, got, want)
			}
			for _, name := range got {
				if !slices.Contains(c.all, name) {
					t.Errorf("package ssh does not know %q", name)
				}
			}
		}
	}
}

// The server's keys are used as far as the algorithms allow them.
func TestHostKeys(t *testing.T) {
	for choice, want := range map[Algorithms]string{
		StrictAlgorithms:  "ssh-ed25519; rsa-sha2-512 rsa-sha2-256",
		DefaultAlgorithms: "ssh-ed25519; rsa-sha2-512 rsa-sha2-256; rsa-sha2-512 rsa-sha2-256; ecdsa-sha2-nistp256",
		LegacyAlgorithms: "ssh-ed25519; " + strings.Repeat("rsa-sha2-512 rsa-sha2-256 ssh-rsa; ", 4) +
			"ecdsa-sha2-nistp256",
	} {
		var got []string
		for _, key := range choice.HostKeys(allHostKeys(t)) {
			got = append(got, strings.Join(key.Algorithms(), " "))
		}
		if got := strings.Join(got, "; "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A client that knows only one algorithm of a kind connects with it. Only weak ones are reported as such.
func TestHandshakeWithEachAlgorithm(t *testing.T) {
	keys := []ssh.Signer{newECDSAKey(t), rsaKeys()[3072], newKey(t)}
	var configs []*ssh.ClientConfig
	add := func(change func(*ssh.ClientConfig)) {
		config := clientConfig()
		config.KeyExchanges, config.Ciphers, config.MACs = []string{"curve25519-sha256"}, []string{"aes128-ctr"}, []string{"hmac-sha2-256"}
		config.HostKeyAlgorithms = []string{"ssh-ed25519"}
		change(config)
		configs = append(configs, config)
	}
	legacy := LegacyAlgorithms.list()
	for _, name := range legacy.KeyExchanges {
		add(func(c *ssh.ClientConfig) { c.KeyExchanges = []string{name} })
	}
	for _, name := range legacy.Ciphers {
		add(func(c *ssh.ClientConfig) { c.Ciphers = []string{name} })
	}
	for _, name := range legacy.MACs {
		add(func(c *ssh.ClientConfig) { c.MACs = []string{name} })
	}
	for _, name := range []string{"ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256", "ssh-rsa", "ecdsa-sha2-nistp256"} {
		add(func(c *ssh.ClientConfig) { c.HostKeyAlgorithms = []string{name} })
	}
	for _, config := range configs {
		inBubble(t, func(b *bench) { b.srv.Algorithms, b.srv.HostKeys = LegacyAlgorithms, hostKeys(keys...) }, func(b *bench) {
			names := slices.Concat(config.KeyExchanges, config.HostKeyAlgorithms, config.Ciphers, config.MACs)
			client, err := b.dial(config)
			if err != nil {
				t.Errorf("%q: %v", names, err)
				return
			}
			client.Close()
			synctest.Wait()
			standard := defaultAlgorithms()
			strong := slices.Concat(standard.KeyExchanges, standard.HostKeys, standard.Ciphers, standard.MACs)
			weak := slices.DeleteFunc(names, func(name string) bool { return slices.Contains(strong, name) })
			handshakes, warnings := all[event.SSHHandshake](b.events), all[event.SSHLegacy](b.events)
			switch {
			case len(handshakes)+len(warnings) != 1:
				t.Errorf("%+v, %+v, want one event", handshakes, warnings)
			case len(weak) == 0 && len(warnings) > 0, len(weak) > 0 && (len(warnings) == 0 || warnings[0].Algorithms != weak[0]):
				t.Errorf("%q: %+v, %+v", names, handshakes, warnings)
			}
		})
	}
}

// Users log in with the keys that the algorithms allow. A signature with SHA-1 is reported.
func TestUserKeysByAlgorithms(t *testing.T) {
	weakRSA, err := ssh.NewSignerWithAlgorithms(rsaKeys()[3072].(ssh.AlgorithmSigner), []string{"ssh-rsa"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key     ssh.Signer
		choices []Algorithms
		warns   bool
		reason  string
	}{
		"Ed25519":         {newKey(t), []Algorithms{StrictAlgorithms, DefaultAlgorithms, LegacyAlgorithms}, false, ""},
		"ECDSA":           {newECDSAKey(t), []Algorithms{DefaultAlgorithms, LegacyAlgorithms}, false, `algorithm "ecdsa-sha2-nistp256" not accepted`},
		"RSA 1024":        {rsaKeys()[1024], []Algorithms{LegacyAlgorithms}, false, "is too short"},
		"RSA 2047":        {rsaKeys()[2047], []Algorithms{LegacyAlgorithms}, false, "is too short"},
		"RSA 2048":        {rsaKeys()[2048], []Algorithms{DefaultAlgorithms, LegacyAlgorithms}, false, "is too short"},
		"RSA 3072":        {rsaKeys()[3072], []Algorithms{StrictAlgorithms, DefaultAlgorithms, LegacyAlgorithms}, false, ""},
		"RSA, with SHA-1": {weakRSA, []Algorithms{LegacyAlgorithms}, true, `algorithm "ssh-rsa" not accepted`},
	} {
		t.Run(name, func(t *testing.T) {
			for _, choice := range []Algorithms{StrictAlgorithms, DefaultAlgorithms, LegacyAlgorithms} {
				inBubble(t, func(b *bench) { b.srv.Algorithms = choice }, func(b *bench) {
					b.knows(false, c.key)
					client, err := b.dial(clientConfig(ssh.PublicKeys(c.key)))
					if want := slices.Contains(c.choices, choice); (err == nil) != want {
						t.Errorf("with algorithms %d: %v, want %t", choice, err, want)
					}
					if err != nil {
						synctest.Wait()
						if e := only[event.LoginRefused](t, b.events); !strings.Contains(e.Err.Error(), c.reason) {
							t.Errorf("with algorithms %d: %v, want %q", choice, e.Err, c.reason)
						}
						return
					}
					client.Close()
					synctest.Wait()
					if warnings := all[event.SSHLegacy](b.events); (len(warnings) == 1 && warnings[0].Algorithms == "ssh-rsa") != c.warns {
						t.Errorf("with algorithms %d: warnings %+v", choice, warnings)
					}
				})
			}
		})
	}
}

// With strict key exchange, nothing may be inserted into the handshake (the Terrapin attack, CVE-2023-48795).
func TestStrictKeyExchange(t *testing.T) {
	for kex, ends := range map[string]bool{"curve25519-sha256": false, "curve25519-sha256,kex-strict-c-v00@openssh.com": true} {
		inBubble(t, nil, func(b *bench) {
			c := b.rawConnect()
			c.kex = kex
			c.hello()
			if !strings.Contains(string(c.serverKexInit), "kex-strict-s-v00@openssh.com") {
				t.Error("the server does not offer strict key exchange")
			}
			c.send(2, []byte("inserted")) // SSH_MSG_IGNORE
			synctest.Wait()
			if got := len(all[event.SessionEnd](b.events)) > 0; got != ends {
				t.Errorf("%s: the session ends: %t, want %t", kex, got, ends)
			}
			c.Close()
		})
	}
}
