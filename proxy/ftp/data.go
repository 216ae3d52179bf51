package ftp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/s3ftpd/s3ftpd/passive"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// A dataPort yields the data connection of the next transfer. Conn is called at most once.
type dataPort interface {
	Conn(ctx context.Context) (net.Conn, error)
	Close() error
}

// An activePort dials the client.
type activePort struct {
	dial    func(ctx context.Context, local netip.Addr, remote netip.AddrPort) (net.Conn, error)
	local   netip.Addr
	remote  netip.AddrPort
	timeout time.Duration
}

func (a activePort) Conn(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	return a.dial(ctx, a.local, a.remote)
}

func (a activePort) Close() error { return nil }

// A passiveListener waits for the client at the address that the reply to PASV or EPSV told.
type passiveListener struct {
	*passive.Listener
	told netip.AddrPort
}

// Conn implements dataPort.
func (p passiveListener) Conn(ctx context.Context) (net.Conn, error) {
	conn, err := p.Listener.Conn(ctx)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = &PassiveTimeoutError{p.told, err}
	}
	return conn, err
}

// A PassiveTimeoutError means that the client did not connect to a passive port in time.
type PassiveTimeoutError struct {
	Told netip.AddrPort // where the client was told to connect; EPSV tells the port alone, so the address is the control connection's
	Err  error
}

func (e *PassiveTimeoutError) Error() string { return e.Err.Error() }
func (e *PassiveTimeoutError) Unwrap() error { return e.Err }

// errEPSVOnly: after EPSV ALL the client must not use other commands for data connections (RFC 2428, section 4).
var errEPSVOnly = reply{503, "Only EPSV is allowed after EPSV ALL."}

// listen opens a passive port, and closes an unused one. The reply will tell the client to connect to it at this address.
func (s *session) listen(ctx context.Context, address netip.Addr) (port uint16, err error) {
	s.closePort()
	claim := passive.Claim{Local: s.host, Peer: s.peer.Addr(), Timeout: cmp.Or(s.srv.DataTimeout, 20*time.Second)}
	if s.protP && s.tls.Share && s.tls.lastResumed {
		claim.ID, claim.Identify = s.tls.id, s.srv.identify
	}
	l, err := s.srv.Passive.Listen(ctx, claim)
	if err != nil {
		s.observe(ctx, event.PassiveExhausted{Code: 425, Err: err})
		return 0, observedError{reply{425, "No passive port available, try again later."}}
	}
	s.port = passiveListener{l, netip.AddrPortFrom(address, l.Port())}
	return l.Port(), nil
}

func (s *session) cmdPasv(ctx context.Context, _ string) error {
	if s.epsvOnly {
		return errEPSVOnly
	}
	if !s.local.Addr().Is4() {
		return reply{425, "PASV is for IPv4 only, use EPSV."}
	}
	address := s.local.Addr()
	if s.srv.PassiveAddress != nil {
		a, err := s.srv.PassiveAddress(ctx, address, s.peer.Addr())
		if err == nil && !a.Unmap().Is4() {
			err = fmt.Errorf("%s is not an IPv4 address", a)
		}
		if err != nil {
			s.observe(ctx, event.PassiveUnresolved{Code: 425, Err: err})
			return observedError{reply{425, "Passive address unknown, use EPSV."}}
		}
		address = a.Unmap()
	}
	port, err := s.listen(ctx, address)
	if err != nil {
		return err
	}
	a := address.As4()
	return s.ok(227, fmt.Sprintf("Entering Passive Mode (%d,%d,%d,%d,%d,%d).", a[0], a[1], a[2], a[3], port>>8, port&255))
}

// cmdEpsv opens a passive port of the control connection's address family (RFC 2428, section 3).
func (s *session) cmdEpsv(ctx context.Context, arg string) error {
	family := "2"
	if s.local.Addr().Is4() {
		family = "1"
	}
	switch arg = strings.ToUpper(arg); {
	case arg == "ALL":
		s.epsvOnly = true
		return s.ok(200, "EPSV ALL accepted.")
	case arg != "" && !isNumber(arg):
		return reply{501, "Use EPSV [1 | 2 | ALL]."}
	case arg != "" && arg != family:
		return reply{522, "Network protocol not supported, use (" + family + ")"}
	}
	port, err := s.listen(ctx, s.local.Addr())
	if err != nil {
		return err
	}
	return s.ok(229, fmt.Sprintf("Entering Extended Passive Mode (|||%d|)", port))
}

func (s *session) cmdPort(_ context.Context, arg string) error {
	return s.active("PORT", arg, parsePort)
}

func (s *session) cmdEprt(_ context.Context, arg string) error {
	return s.active("EPRT", arg, parseEprt)
}

// active sets the address that the next transfer dials. It must be the client's own: else a client could make the server attack
// others (RFC 2577, section 3).
func (s *session) active(verb, arg string, parse func(string) (netip.AddrPort, error)) error {
	s.closePort()
	switch {
	case s.epsvOnly:
		return errEPSVOnly
	case s.dialer == nil:
		return reply{502, "Active mode is disabled, use PASV or EPSV."}
	}
	remote, err := parse(arg)
	if err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	if remote.Addr() != s.peer.Addr().WithZone("") || remote.Port() < 1024 {
		return reply{500, "Use your own address and a port above 1023."}
	}
	remote = netip.AddrPortFrom(s.peer.Addr(), remote.Port()) // with the zone of a link-local address
	s.port = activePort{s.dialer.Dial, s.host, remote, cmp.Or(s.srv.DataTimeout, 20*time.Second)}
	return s.ok(200, verb+" command successful.")
}

// parsePort parses h1,h2,h3,h4,p1,p2 (RFC 959, section 4.1.2).
func parsePort(arg string) (netip.AddrPort, error) {
	f := strings.Split(arg, ",")
	var b [6]byte
	if len(f) != len(b) {
		return netip.AddrPort{}, reply{501, "Use PORT h1,h2,h3,h4,p1,p2."}
	}
	for i, number := range f {
		number = trimBlanks(number)
		n, err := strconv.ParseUint(number, 10, 8)
		if err != nil || !isNumber(number) {
			return netip.AddrPort{}, reply{501, "PORT requires numbers from 0 to 255."}
		}
		b[i] = byte(n)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[:4])), uint16(b[4])<<8|uint16(b[5])), nil
}

// parseEprt parses |family|address|port|, with any printable character as the delimiter (RFC 2428, section 2).
func parseEprt(arg string) (netip.AddrPort, error) {
	bad := reply{501, "Use EPRT |family|address|port|."}
	if arg == "" || arg[0] < 33 || arg[0] > 126 {
		return netip.AddrPort{}, bad
	}
	f := strings.Split(arg, arg[:1])
	for i := range f {
		f[i] = trimBlanks(f[i])
	}
	if len(f) != 5 || f[4] != "" || !isNumber(f[1]) || !isNumber(f[3]) {
		return netip.AddrPort{}, bad
	}
	if f[1] != "1" && f[1] != "2" {
		return netip.AddrPort{}, reply{522, "Network protocol not supported, use (1,2)"}
	}
	addr, err := netip.ParseAddr(f[2])
	port, err2 := strconv.ParseUint(f[3], 10, 16)
	if err != nil || err2 != nil || addr.Is4() != (f[1] == "1") || addr.Zone() != "" {
		return netip.AddrPort{}, bad
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), nil
}
