package ftp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"github.com/s3ftpd/s3ftpd/passive"
)

const (
	notYours = "500 Use your own address and a port above 1023."
	notSix   = "501 Use PORT h1,h2,h3,h4,p1,p2."
	notBytes = "501 PORT requires numbers from 0 to 255."
	notEprt  = "501 Use EPRT |family|address|port|."
	noFamily = "522 Network protocol not supported, use (1,2)"
)

// bounces4 are addresses that the server must not dial for a client at 192.0.2.7, and the replies.
var bounces4 = []struct{ command, want string }{
	{"PORT 192,0,2,8,200,1", notYours},       // a neighbour
	{"PORT 192,0,2,1,200,1", notYours},       // the server
	{"PORT 127,0,0,1,200,1", notYours},       // the server's loopback
	{"PORT 169,254,169,254,200,1", notYours}, // cloud metadata service
	{"PORT 10,0,0,1,200,1", notYours},        // a private network of the server
	{"PORT 224,0,0,1,200,1", notYours},       // multicast
	{"PORT 255,255,255,255,200,1", notYours},
	{"PORT 0,0,0,0,200,1", notYours},
	{"PORT 192,0,2,7,0,0", notYours},
	{"PORT 192,0,2,7,0,22", notYours},
	{"PORT 192,0,2,7,3,255", notYours},   // 1023
	{"PORT 192,0,2,263,200,1", notBytes}, // 7 modulo 256
	{"PORT 448,0,2,7,200,1", notBytes},
	{"PORT 192,0,2,7,256,1", notBytes},
	{"PORT 192,0,2,7,200,256", notBytes},
	{"PORT 192,0,2,7,-1,1", notBytes},
	{"PORT 192,0,2,7,200,18446744073709551617", notBytes},
	{"PORT 192,0,2,7,0x8,1", notBytes},
	{"PORT  192,0, 2 ,8, 200,1 ", notYours},
	{"PORT 1 92,0,2,7,200,1", notBytes},
	{"PORT 192,0,2,7,200,1,1", notSix},
	{"PORT 3221225991,200,1", notSix}, // the address in one number
	{"PORT 192.0.2.7,200,1", notSix},

	{"EPRT |1|192.0.2.8|51201|", notYours},
	{"EPRT |1|127.0.0.1|51201|", notYours},
	{"EPRT |1|169.254.169.254|51201|", notYours},
	{"EPRT |1|239.1.2.3|51201|", notYours},
	{"EPRT |1|0.0.0.0|51201|", notYours},
	{"EPRT |1|192.0.2.7|0|", notYours},
	{"EPRT |1|192.0.2.7|1023|", notYours},
	{"EPRT |2|::1|51201|", notYours},
	{"EPRT |2|::|51201|", notYours},
	{"EPRT |2|::ffff:127.0.0.1|51201|", notYours},
	{"EPRT |2|::ffff:192.0.2.8|51201|", notYours},
	{"EPRT |2|::192.0.2.7|51201|", notYours}, // IPv4-compatible: a different address
	{"EPRT |2|64:ff9b::192.0.2.7|51201|", notYours},
	{"EPRT |2|fe80::1|51201|", notYours},
	{"EPRT |2|2001:db8::7|51201|", notYours}, // another address
	{"EPRT |1|192.0.2.7|65536|", notEprt},
	{"EPRT |1|192.0.2.7|116737|", notEprt}, // 51201 in 16 bits
	{"EPRT |1|192.0.2.7|18446744073709602817|", notEprt},
	{"EPRT |1|192.0.2.7|-1|", notEprt},
	{"EPRT |1|192.0.2.7|+51201|", notEprt},
	{"EPRT |1|192.0.2.007|51201|", notEprt}, // octal for some parsers
	{"EPRT |1|192.0.519|51201|", notEprt},
	{"EPRT |1|0xc0000207|51201|", notEprt},
	{"EPRT |1|localhost|51201|", notEprt},
	{"EPRT |1|192.0.2.7:51201|51201|", notEprt},
	{"EPRT |1|::ffff:192.0.2.7|51201|", notEprt},
	{"EPRT |2|192.0.2.7|51201|", notEprt},
	{"EPRT |2|[::1]|51201|", notEprt},
	{"EPRT |1|192.0.2.7|51201", notEprt},
	{"EPRT |0|192.0.2.7|51201|", noFamily},
	{"EPRT |3|192.0.2.7|51201|", noFamily},
	{"EPRT |11|192.0.2.7|51201|", noFamily},
}

// bounces6 are the same for a client at 2001:db8::7.
var bounces6 = []struct{ command, want string }{
	{"PORT 192,0,2,7,200,1", notYours},
	{"PORT 127,0,0,1,200,1", notYours},
	{"EPRT |1|192.0.2.7|51201|", notYours},
	{"EPRT |2|2001:db8::1|51201|", notYours},
	{"EPRT |2|2001:db8::8|51201|", notYours},
	{"EPRT |2|::1|51201|", notYours},
	{"EPRT |2|::|51201|", notYours},
	{"EPRT |2|fe80::7|51201|", notYours},
	{"EPRT |2|ff02::1|51201|", notYours},
	{"EPRT |2|fd00:ec2::254|51201|", notYours}, // cloud metadata service
	{"EPRT |2|2001:db8::7|1023|", notYours},
	{"EPRT |2|2001:db8::7%eth0|51201|", notEprt},
	{"EPRT |2|fe80::7%1|51201|", notEprt},
	{"EPRT |2|[2001:db8::7]|51201|", notEprt},
	{"EPRT |2|2001:db8::7|65536|", notEprt},
	{"EPRT |1|2001:db8::7|51201|", notEprt},
	{"EPRT |3|2001:db8::7|51201|", noFamily},
}

// ownAddresses are the addresses that the clients may use.
var ownAddresses = map[string][]string{
	"1": {"|1|192.0.2.7|51201|", "|2|::ffff:192.0.2.7|51201|", "!1!192.0.2.7!051201!", " |1| 192.0.2.7|51201 | "},
	"6": {"|2|2001:db8::7|51201|", "|2|2001:0DB8:0:0::0007|51201|"},
}

// A server that dials any address can be abused to attack other hosts (RFC 2577, section 3). PORT and EPRT accept the client's own
// address only, and no port below 1024. A refused address is not dialled later, and also cancels the previous PORT, EPRT or EPSV.
func TestPortBounce(t *testing.T) {
	inBubble(t, func(s *script) {
		var dialled []netip.AddrPort
		s.srv.Active = &passive.Dialer{DialFunc: func(_ context.Context, _ string, _, to netip.AddrPort) (net.Conn, error) {
			dialled = append(dialled, to)
			return nil, syscall.ECONNREFUSED
		}}
		s.play("! no-listener\n! passive-ports 60000")
		for client, refused := range map[string][]struct{ command, want string }{"1": bounces4, "6": bounces6} {
			s.play(client)
			for i, v := range refused {
				before := "C> EPSV\nS> 229 *"
				if i%2 == 0 {
					before = "C> EPRT " + ownAddresses[client][0] + "\nS> 200 EPRT command successful."
				}
				s.play(fmt.Sprintf("%s\nC> %s\nS> %s\nC> NLST\nS> 425 Use PASV, EPSV, PORT or EPRT first.", before, v.command, v.want))
				if open := s.passivePorts(); len(open)+len(dialled) > 0 {
					t.Fatalf("%s: dialled %v, and listens on %v", v.command, dialled, open)
				}
			}
		}
		for client, own := range ownAddresses { // shows that dialled records dialled addresses
			s.play(client)
			for _, arg := range own {
				s.play("C> EPRT " + arg + "\nS> 200 EPRT command successful.\nC> NLST\nS> 150 *\nS> 425 *")
			}
			want := netip.AddrPortFrom(s.from.Addr(), 51201)
			if len(dialled) != len(own) || slices.ContainsFunc(dialled, func(a netip.AddrPort) bool { return a != want }) {
				t.Errorf("client %s: dialled %v, want only its own address", client, dialled)
			}
			dialled = nil
		}
	})
}

// passivePorts returns the addresses on which the server listens for data connections.
func (s *script) passivePorts() (open []netip.AddrPort) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	for at := range s.net.listeners {
		if at.Port() >= 60000 {
			open = append(open, at)
		}
	}
	return open
}
