package config

import (
	"crypto/dsa" //lint:ignore SA1019 old users have such keys, which are refused
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// Lines of authorized_keys.
const (
	ed25519Key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC0sNZnWyvkPP2nGiG6sSvATKDabXliNuv/HlSoNgTN+ alice@host"
	ecdsaKey   = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABB" +
		"BEWBLz92glMQJdQWneN5ZhVRhB2saFdwJSVBqZLfZE4i+rEucUbYKOjrsH4obhSJuosSjJG96qX6QVFj5gBehug= alice@host"
)

// authorized returns the line of authorized_keys for a key.
func authorized(t testing.TB, key any) string {
	t.Helper()
	public, err := ssh.NewPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public)))
}

// line returns a line of authorized_keys with any content.
func line(kind string, parts ...string) string {
	var blob []byte
	for _, p := range parts {
		blob = append(blob, ssh.Marshal(struct{ S string }{p})...)
	}
	return kind + " " + base64.StdEncoding.EncodeToString(blob)
}

// A key is accepted in all notations of OpenSSH, and has OpenSSH's fingerprint.
func TestPublicKeys(t *testing.T) {
	ed, _, err1 := ed25519.GenerateKey(rand.Reader)
	p521, err2 := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	rsa2048, err3 := rsa.GenerateKey(rand.Reader, 2048)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	lines := []string{
		ed25519Key, ecdsaKey, authorized(t, ed), authorized(t, &p521.PublicKey), authorized(t, &rsa2048.PublicKey),
		line("sk-ssh-ed25519@openssh.com", "sk-ssh-ed25519@openssh.com", string(ed), "ssh:"),
	}
	for _, text := range lines {
		public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, notation := range []string{
			text, "restrict " + text, strings.Replace(text, " ", "\t  ", 1), text + "\t# of alice", `from="192.0.2.0/24",restrict ` + text,
			`RESTRICT,From="192.0.2.0/24, 2001:db8::7"  ` + text} {
			key, err := parsePublicKey(notation)
			if err != nil || key.Fingerprint() != ssh.FingerprintSHA256(public) {
				t.Errorf("%s: %s, %v", notation, key.Fingerprint(), err)
			}
			if want := strings.Count(notation, "192") + strings.Count(notation, "2001:"); len(key.From) != want {
				t.Errorf("%s: from %v", notation, key.From)
			}
		}
	}
}

// Keys that are weak, cut off or of another kind are refused, and so are options with which a key would do more than is meant.
func TestPublicKeyMistakes(t *testing.T) {
	rsa1024 := line("ssh-rsa", "ssh-rsa", "\x01\x00\x01", "\x00"+strings.Repeat("\xFF", 128))
	ed := strings.Repeat("x", 32)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := p256.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	dsaKey := &dsa.PrivateKey{}
	if err := errors.Join(dsa.GenerateParameters(&dsaKey.Parameters, rand.Reader, dsa.L1024N160), dsa.GenerateKey(dsaKey, rand.Reader)); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"":                                    "must be a public key, e.g. ssh-ed25519 AAAA... alice@host",
		"hush":                                "must be a public key, e.g. ssh-ed25519 AAAA... alice@host",
		"AAAAC3NzaC1lZDI1NTE5AAAAhush":        "must be a public key, e.g. ssh-ed25519 AAAA... alice@host",
		"ssh-ed25519":                         "must be a public key, e.g. ssh-ed25519 AAAA... alice@host",
		"-----BEGIN OPENSSH PRIVATE KEY-----": "must be the public key, not the private one: it is in the file whose name ends with .pub",
		"PuTTY-User-Key-File-3: ssh-ed25519":  "must be the public key, not the private one: it is in the file whose name ends with .pub",
		"---- BEGIN SSH2 PUBLIC KEY ----":     "must be in OpenSSH's format: `ssh-keygen -i -f FILE` converts it",
		ed25519Key[:61]:                       "has a ssh-ed25519 key that is not valid base64: it may have been cut off",
		line("ssh-ed25519", "ssh-ed25519"):    "is not a valid ssh-ed25519 key: it may have been cut off",
		line("ssh-ed25519", "ssh-ed25519", ed, "more"):                                                 "is not a valid ssh-ed25519 key: it may have been cut off",
		line("ssh-rsa", "ssh-ed25519", ed):                                                             "says ssh-rsa, but is not a key of this type: it may have been cut off",
		line("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", "nistp256", "\x04"+strings.Repeat("x", 64)): "is not a valid ecdsa-sha2-nistp256 key: it may have been cut off",
		line("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", "nistp256", string(point)):                  "is not a valid ecdsa-sha2-nistp384 key: it may have been cut off",
		line("ssh-rsa", "ssh-rsa", "\x03", "\x00\x01"):                                                 "is not a valid ssh-rsa key: it may have been cut off",
		rsa1024: "is an RSA key of 1024 bits: must have at least 2048",
		authorized(t, &dsaKey.PublicKey): `is of the type "ssh-dss": must be ssh-ed25519, ecdsa-sha2-nistp256, -384 or -521, ssh-rsa, ` +
			`sk-ssh-ed25519@openssh.com or sk-ecdsa-sha2-nistp256@openssh.com`,
		ed25519Key + ", " + ecdsaKey:                "must be one key, but has another one behind it: keys must be in lines of their own, or in brackets",
		"ssh-ed25519 AAAA... ":                      "has a ssh-ed25519 key that is not valid base64: it may have been cut off",
		`command="x y" ` + ed25519Key:               "has the option command: only restrict and from are supported; restrict is what holds in any case",
		`restrict,pty ` + ed25519Key:                "has the option pty: only restrict and from are supported; restrict is what holds in any case",
		`cert-authority ` + ed25519Key:              "has the option cert-authority: only restrict and from are supported; restrict is what holds in any case",
		`restrict,restrict ` + ed25519Key:           "must have the option restrict only once",
		`from=192.0.2.7 ` + ed25519Key:              `from: must have a value in quotes, e.g. from="192.0.2.0/24,2001:db8::/32"`,
		`from="" ` + ed25519Key:                     `from: must have a value in quotes, e.g. from="192.0.2.0/24,2001:db8::/32"`,
		`from="!192.0.2.7,*" ` + ed25519Key:         `from: must be networks without ! and ?, e.g. from="192.0.2.0/24,2001:db8::/32"`,
		`from="192.0.2.*" ` + ed25519Key:            `from: "192.0.2.*" is not a network: must be 192.0.2.0/24`,
		`from="example.com" ` + ed25519Key:          `from: "example.com" is not a network: must be like 10.0.0.0/8`,
		`from="192.0.2.7",from="::1" ` + ed25519Key: "must have the option from only once",
	} {
		_, err := parsePublicKey(text)
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v\nwant %s", text, err, want)
		}
	}
}

// A file may have comments and empty lines. Invalid lines do not make the others invalid.
func TestParsePublicKeys(t *testing.T) {
	keys, mistakes := ParsePublicKeys([]byte("# of alice\r\n\n" + ed25519Key + "\r\nhush\n  " + ecdsaKey + "\n" + ed25519Key + "\n"))
	want := Mistakes{"line 4: must be a public key, e.g. ssh-ed25519 AAAA... alice@host", "line 6: must be in the file only once; it is also in line 3"}
	if !reflect.DeepEqual(mistakes, want) || len(keys) != 2 || keys[1].Digest == keys[0].Digest {
		t.Errorf("%v, %v", keys, mistakes)
	}
	keys, mistakes = ParsePublicKeys([]byte("-----BEGIN OPENSSH PRIVATE KEY-----\nhush\nhush\n-----END OPENSSH PRIVATE KEY-----\n"))
	if len(keys) != 0 || len(mistakes) != 1 {
		t.Errorf("a private key: %v, %v", keys, mistakes)
	}
}

func TestReadPublicKeys(t *testing.T) {
	file := writeFile(t, "long", strings.Repeat(" ", maxKeysFile+1))
	if _, err := ReadPublicKeys(file); err == nil || err.Error() != "must be at most 1MiB long" {
		t.Errorf("a long file: %v", err)
	}
	if _, err := ReadPublicKeys("/nowhere"); err == nil {
		t.Error("a file that does not exist was read")
	}
	file = writeFile(t, "keys", "\uFEFF"+ed25519Key)
	if text, err := ReadPublicKeys(file); err != nil || string(text) != ed25519Key {
		t.Errorf("a file: %q, %v", text, err)
	}
}

// What is accepted is a key for the SSH library too, and the same one.
func FuzzPublicKey(f *testing.F) {
	for _, text := range []string{
		"", ed25519Key, ecdsaKey, `from="::1",restrict ` + ed25519Key, `from="\"" x`, "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ==", "restrict,"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, err := parsePublicKey(text)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("a message of more than one line: %q", err)
			}
			return
		}
		public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
		if err != nil || sha256.Sum256(public.Marshal()) != key.Digest {
			t.Errorf("%q: %v, %v", text, public, err)
		}
	})
}

// Users have keys of their own, or those of a file.
func TestUsersPublicKeys(t *testing.T) {
	file := writeFile(t, "keys", ecdsaKey+"\n")
	users := parsed(t, &Config{Bucket: "b", SFTP: ":22"}, `
defaults:
  public-keys-file: `+file+`
  protocols: [sftp]
users:
  - name: alice
    public-keys: [`+ed25519Key+`]
  - name: bob
    password: HASH
    second-factor: [public-key, password]
  - name: carol
    public-keys:
      - from="192.0.2.0/24",restrict `+ed25519Key+`
      - `+ecdsaKey+`
  - name: dave
    public-keys: |
      `+ed25519Key+`
      `+ecdsaKey+`
    protocols: [sftp, ftps]
  - name: erin
    public-keys: `+ed25519Key+`
    second-factor: [password, public-key]
    password: HASH
`)
	fingerprint := func(of string) string {
		key, err := parsePublicKey(of)
		if err != nil {
			t.Fatal(err)
		}
		return key.Fingerprint()
	}
	var got []string
	for _, u := range users.All() {
		text := u.Name + " " + u.PublicKeysFile
		for _, k := range u.PublicKeys {
			text += fmt.Sprintf(" %s %v", k.Fingerprint(), k.From)
		}
		got = append(got, fmt.Sprintln(text, u.Protocols, u.SecondFactor))
	}
	ed, ec := fingerprint(ed25519Key), fingerprint(ecdsaKey)
	want := []string{
		"alice  " + ed + " [] [sftp] []\n", "bob " + file + " [sftp] [password public-key]\n", "carol  " + ed + " [192.0.2.0/24] " + ec + " [] [sftp] []\n",
		"dave  " + ed + " [] " + ec + " [] [ftps sftp] []\n", "erin  " + ed + " [] [sftp] [password public-key]\n",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
