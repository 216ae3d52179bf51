package sftp

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// A rawClient sends any packets, which that of package ssh does not. It knows one algorithm of each kind, and trusts any host key.
type rawClient struct {
	*testing.T
	*memConn
	in            *bufio.Reader
	enc, dec      *cipherState
	user          string
	kex           string // names of key exchanges
	server        string // its version
	session       []byte // ID
	serverKexInit []byte
}

// A cipherState has the keys of a direction: aes128-ctr and hmac-sha2-256.
type cipherState struct {
	seq    uint32
	stream cipher.Stream // nil = not encrypted
	mac    []byte
}

// Message numbers: RFC 4250, section 4.1.
const (
	msgDisconnect      = 1
	msgServiceRequest  = 5
	msgKexInit         = 20
	msgNewKeys         = 21
	msgKexECDHInit     = 30
	msgUserAuthRequest = 50
	msgUserAuthFailure = 51
	msgUserAuthSuccess = 52
	msgUserAuthBanner  = 53

	msgUserAuthPubKeyOK = 60

	msgGlobalRequest  = 80
	msgChannelOpen    = 90
	msgChannelOpened  = 91
	msgChannelRefused = 92
	msgChannelData    = 94
	msgChannelEOF     = 96
	msgChannelClose   = 97
	msgChannelRequest = 98
)

// rawConnect connects without a handshake.
func (b *bench) rawConnect() *rawClient {
	conn := b.connect()
	return &rawClient{T: b.T, user: "user", kex: "curve25519-sha256", memConn: conn, in: bufio.NewReader(conn), enc: &cipherState{}, dec: &cipherState{}}
}

// send sends a packet in one write.
func (c *rawClient) send(parts ...any) { c.memConn.Write(c.packet(parts...)) }

// packet returns a packet of structs as ssh.Marshal takes them, bytes and byte slices.
func (c *rawClient) packet(parts ...any) []byte {
	var payload []byte
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			payload = append(payload, byte(p))
		case []byte:
			payload = append(payload, p...)
		default:
			payload = append(payload, ssh.Marshal(p)...)
		}
	}
	padding := 16 - (5+len(payload))%16
	if padding < 4 {
		padding += 16
	}
	p := binary.BigEndian.AppendUint32(nil, uint32(1+len(payload)+padding))
	p = append(append(append(p, byte(padding)), payload...), make([]byte, padding)...)
	e := c.enc
	if e.stream != nil {
		mac := e.sum(p)
		e.stream.XORKeyStream(p, p)
		p = append(p, mac...)
	}
	e.seq++
	return p
}

func (e *cipherState) sum(p []byte) []byte {
	h := hmac.New(sha256.New, e.mac)
	h.Write(binary.BigEndian.AppendUint32(nil, e.seq))
	h.Write(p)
	return h.Sum(nil)
}

// next returns the next packet's payload.
func (c *rawClient) next() ([]byte, error) {
	d, head := c.dec, make([]byte, 16)
	if _, err := io.ReadFull(c.in, head); err != nil {
		return nil, err
	}
	if d.stream != nil {
		d.stream.XORKeyStream(head, head)
	}
	p := append(head, make([]byte, binary.BigEndian.Uint32(head)-12)...)
	if _, err := io.ReadFull(c.in, p[16:]); err != nil {
		return nil, err
	}
	if d.stream != nil {
		d.stream.XORKeyStream(p[16:], p[16:])
		if _, err := io.ReadFull(c.in, make([]byte, sha256.Size)); err != nil {
			return nil, err
		}
	}
	d.seq++
	return p[5 : len(p)-int(p[4])], nil
}

// want returns the next packet of a type, and skips others.
func (c *rawClient) want(message byte) []byte {
	c.Helper()
	for {
		p, err := c.next()
		if err != nil {
			c.Fatalf("no message %d: %v", message, err)
		}
		if p[0] == message {
			return p
		}
	}
}

// rest reads to the end of the connection, and returns what a banner or a disconnect message says.
func (c *rawClient) rest() (said string) {
	for {
		p, err := c.next()
		if err != nil {
			return said
		}
		switch p[0] {
		case msgDisconnect:
			p = p[5:]
		case msgUserAuthBanner:
			p = p[1:]
		default:
			continue
		}
		said += string(p[4 : 4+binary.BigEndian.Uint32(p)])
	}
}

// hello exchanges versions and algorithms.
func (c *rawClient) hello() (kexInit []byte) {
	c.Helper()
	io.WriteString(c.memConn, "SSH-2.0-test\r\n")
	line, err := c.in.ReadString('\n')
	if err != nil {
		c.Fatal(err)
	}
	c.server = strings.TrimSuffix(line, "\r\n")
	kexInit = append([]byte{msgKexInit}, make([]byte, 16)...)
	for _, list := range []string{
		c.kex, "ssh-ed25519", "aes128-ctr", "aes128-ctr", "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", "",
	} {
		kexInit = append(kexInit, ssh.Marshal(struct{ List string }{list})...)
	}
	kexInit = append(kexInit, 0, 0, 0, 0, 0)
	c.send(kexInit)
	c.serverKexInit = c.want(msgKexInit)
	return kexInit
}

// handshake does the key exchange, and requests the service of logins.
func (c *rawClient) handshake() {
	c.Helper()
	c.keyExchange()
	c.send(msgServiceRequest, struct{ Name string }{"ssh-userauth"})
}

func (c *rawClient) keyExchange() {
	c.Helper()
	kexInit := c.hello()
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		c.Fatal(err)
	}
	public := private.PublicKey().Bytes()
	c.send(msgKexECDHInit, struct{ Key []byte }{public})
	var reply struct {
		HostKey, Key, Signature []byte
	}
	if err := ssh.Unmarshal(append([]byte{0, 0, 0, 0}[:0], c.want(31)[1:]...), &reply); err != nil {
		c.Fatal(err)
	}
	peer, err := ecdh.X25519().NewPublicKey(reply.Key)
	if err != nil {
		c.Fatal(err)
	}
	secret, err := private.ECDH(peer)
	if err != nil {
		c.Fatal(err)
	}
	k := ssh.Marshal(struct{ K *big.Int }{new(big.Int).SetBytes(secret)})
	h := sha256.Sum256(append(ssh.Marshal(struct{ A, B, C, D, E, F, G []byte }{
		[]byte("SSH-2.0-test"), []byte(c.server), kexInit, c.serverKexInit, reply.HostKey, public, reply.Key,
	}), k...))
	c.session = h[:]
	c.send(msgNewKeys)
	c.want(msgNewKeys)
	derive := func(name byte) []byte {
		key := sha256.Sum256(append(append(append(k, h[:]...), name), c.session...))
		return key[:]
	}
	c.enc.set(derive('C')[:16], derive('A')[:16], derive('E'))
	c.dec.set(derive('D')[:16], derive('B')[:16], derive('F'))
}

func (e *cipherState) set(key, iv, mac []byte) {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	e.stream, e.mac = cipher.NewCTR(block, iv), mac
}

// password returns a packet that tries a password.
func (c *rawClient) password(password string) []byte {
	return c.packet(msgUserAuthRequest, struct {
		User, Service, Method string
		Change                bool
		Password              string
	}{c.user, "ssh-connection", "password", false, password})
}

// publicKey returns a packet that asks about a key, or with a signer logs in with it.
func (c *rawClient) publicKey(key, signer ssh.Signer) []byte {
	type request struct {
		User, Service, Method string
		Sign                  bool
		Algorithm             string
		Key                   []byte
	}
	r := request{c.user, "ssh-connection", "publickey", signer != nil, key.PublicKey().Type(), key.PublicKey().Marshal()}
	if signer == nil {
		return c.packet(msgUserAuthRequest, r)
	}
	signed := append(ssh.Marshal(struct{ Session []byte }{c.session}), msgUserAuthRequest)
	signature, err := signer.Sign(rand.Reader, append(signed, ssh.Marshal(r)...))
	if err != nil {
		c.Fatal(err)
	}
	return c.packet(msgUserAuthRequest, r, struct{ Signature []byte }{ssh.Marshal(signature)})
}

// answer reads the answer to a login, and returns what the server says beside it, and whether it ends the connection.
func (c *rawClient) answer() (said string, ends bool) {
	for {
		p, err := c.next()
		switch {
		case err != nil:
			return said, true
		case p[0] == msgUserAuthFailure || p[0] == msgUserAuthSuccess:
			return said, false
		case p[0] == msgUserAuthBanner:
			said += string(p[5 : 5+binary.BigEndian.Uint32(p[1:])])
		}
	}
}

// login logs in.
func (c *rawClient) login() {
	c.Helper()
	c.handshake()
	c.memConn.Write(c.password("secret"))
	c.want(msgUserAuthSuccess)
}

// global returns a packet with a global request.
func (c *rawClient) global(i int) []byte {
	return c.packet(msgGlobalRequest, struct {
		Name string
		Want bool
	}{fmt.Sprintf("test%d", i), false})
}

// openSFTP opens channel 0 with a window of that many bytes, and starts the subsystem.
func (c *rawClient) openSFTP(window uint32) {
	c.Helper()
	c.open(0, window)
	c.want(msgChannelOpened)
	c.subsystem(0)
}

// open asks for a channel.
func (c *rawClient) open(id, window uint32) {
	c.send(msgChannelOpen, struct {
		Type                string
		ID, Window, MaxData uint32
	}{"session", id, window, 1 << 15})
}

// subsystem asks for the subsystem on a channel, without an answer.
func (c *rawClient) subsystem(id uint32) {
	c.send(msgChannelRequest, uint32s(id), struct {
		Name string
		Want bool
		Text string
	}{"subsystem", false, "sftp"})
}
