package sftp

import (
	"crypto/rsa"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Algorithms is a choice of SSH's algorithms.
type Algorithms int

const (
	DefaultAlgorithms Algorithms = iota // sound ones, and no SHA-1 and no CBC
	StrictAlgorithms                    // those that ssh-audit 3.3 has no warning for; clients must know ML-KEM, as OpenSSH 9.9 does
	LegacyAlgorithms                    // also weak ones, for old devices
)

// strictAlgorithms returns the algorithms of StrictAlgorithms, the preferred ones first. ssh-audit warns of all key exchanges that a
// quantum computer could break, also of Curve25519. AES-GCM is twice as fast as ChaCha20 on processors with instructions for AES.
func strictAlgorithms() ssh.Algorithms {
	return ssh.Algorithms{
		KeyExchanges: []string{ssh.KeyExchangeMLKEM768X25519},
		Ciphers: []string{
			ssh.CipherAES128GCM, ssh.CipherAES256GCM, ssh.CipherChaCha20Poly1305,
			ssh.CipherAES128CTR, ssh.CipherAES192CTR, ssh.CipherAES256CTR,
		},
		MACs:           []string{ssh.HMACSHA256ETM, ssh.HMACSHA512ETM},
		HostKeys:       []string{ssh.KeyAlgoED25519, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256},
		PublicKeyAuths: []string{ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256},
	}
}

// defaultAlgorithms returns strictAlgorithms and what widespread clients need beside them: libssh2 1.10 has no ETM MACs; net-ssh 7 and
// JSch have no Curve25519.
func defaultAlgorithms() ssh.Algorithms {
	a := strictAlgorithms()
	a.KeyExchanges = append(a.KeyExchanges, ssh.KeyExchangeCurve25519, ssh.KeyExchangeECDHP256, ssh.KeyExchangeECDHP384,
		ssh.KeyExchangeECDHP521, ssh.KeyExchangeDH16SHA512, ssh.KeyExchangeDH14SHA256)
	a.MACs = append(a.MACs, ssh.HMACSHA256, ssh.HMACSHA512)
	a.HostKeys = append(a.HostKeys, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521)
	a.PublicKeyAuths = append(a.PublicKeyAuths, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKECDSA256)
	return a
}

// weakAlgorithms returns what LegacyAlgorithms has beside defaultAlgorithms.
func weakAlgorithms() ssh.Algorithms {
	return ssh.Algorithms{
		KeyExchanges:   []string{ssh.KeyExchangeDHGEXSHA256, ssh.InsecureKeyExchangeDH14SHA1, ssh.InsecureKeyExchangeDHGEXSHA1, ssh.InsecureKeyExchangeDH1SHA1},
		Ciphers:        []string{ssh.InsecureCipherAES128CBC, ssh.InsecureCipherTripleDESCBC},
		MACs:           []string{ssh.HMACSHA1, ssh.InsecureHMACSHA196},
		HostKeys:       []string{ssh.KeyAlgoRSA},
		PublicKeyAuths: []string{ssh.KeyAlgoRSA},
	}
}

// list returns the algorithms of a choice, the preferred ones first.
func (a Algorithms) list() ssh.Algorithms {
	switch a {
	case StrictAlgorithms:
		return strictAlgorithms()
	case LegacyAlgorithms:
		l, weak := defaultAlgorithms(), weakAlgorithms()
		return ssh.Algorithms{
			KeyExchanges:   append(l.KeyExchanges, weak.KeyExchanges...),
			Ciphers:        append(l.Ciphers, weak.Ciphers...),
			MACs:           append(l.MACs, weak.MACs...),
			HostKeys:       append(l.HostKeys, weak.HostKeys...),
			PublicKeyAuths: append(l.PublicKeyAuths, weak.PublicKeyAuths...),
		}
	}
	return defaultAlgorithms()
}

// minRSABits returns the least length of RSA keys, of the server and of users.
func (a Algorithms) minRSABits() int {
	switch a {
	case StrictAlgorithms:
		return 3072
	case LegacyAlgorithms:
		return 1024
	}
	return 2048
}

// accepts reports whether a key of the server or of a user is long enough.
func (a Algorithms) accepts(key ssh.PublicKey) bool {
	if c, ok := key.(*ssh.Certificate); ok {
		key = c.Key
	}
	if crypto, ok := key.(ssh.CryptoPublicKey); ok {
		if rsaKey, ok := crypto.CryptoPublicKey().(*rsa.PublicKey); ok {
			return rsaKey.N.BitLen() >= a.minRSABits()
		}
	}
	return true
}

// HostKeys returns those of the keys that these algorithms allow, the preferred type first.
func (a Algorithms) HostKeys(keys []ssh.Signer) (allowed []ssh.MultiAlgorithmSigner) {
	order := a.list().HostKeys
	for _, key := range keys {
		signer, ok := key.(ssh.AlgorithmSigner)
		if !ok || !a.accepts(key.PublicKey()) {
			continue
		}
		algorithms := []string{key.PublicKey().Type()}
		if algorithms[0] == ssh.KeyAlgoRSA {
			algorithms = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSA}
		}
		algorithms = slices.DeleteFunc(algorithms, func(name string) bool { return !slices.Contains(order, name) })
		if multi, err := ssh.NewSignerWithAlgorithms(signer, algorithms); err == nil && len(algorithms) > 0 {
			allowed = append(allowed, multi)
		}
	}
	rank := func(key ssh.MultiAlgorithmSigner) int { return slices.Index(order, key.Algorithms()[0]) }
	slices.SortStableFunc(allowed, func(x, y ssh.MultiAlgorithmSigner) int { return rank(x) - rank(y) })
	return allowed
}

// weak returns those of the negotiated algorithms that only LegacyAlgorithms has, separated by commas.
func weak(n ssh.NegotiatedAlgorithms) string {
	w, used := weakAlgorithms(), []string(nil)
	for _, c := range []struct {
		list []string
		name string
	}{
		{w.KeyExchanges, n.KeyExchange}, {w.HostKeys, n.HostKey},
		{w.Ciphers, n.Read.Cipher}, {w.Ciphers, n.Write.Cipher}, {w.MACs, n.Read.MAC}, {w.MACs, n.Write.MAC},
	} {
		if slices.Contains(c.list, c.name) && !slices.Contains(used, c.name) {
			used = append(used, c.name)
		}
	}
	return strings.Join(used, ", ")
}
