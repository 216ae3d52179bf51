// Package passive opens the data connections of FTP sessions, one for each transfer.
//
// In passive mode (RFC 959 PASV, RFC 2428 EPSV) the client connects. [Ports] binds a port of its range when a session
// needs one, and a [Listener] waits there for one connection of that session's client:
//
//	l, err := ports.Listen(ctx, passive.Claim{Local: local, Peer: peer, Timeout: 20 * time.Second})
//	if err != nil {
//		return err // for example ErrNoPort
//	}
//	defer l.Close()
//	// send l.Port() to the client, read its next command, then
//	conn, err := l.Conn(ctx)
//
// In active mode (PORT, EPRT) the server connects: [Dialer.Dial].
//
// # Which connections are accepted
//
// A Listener accepts a connection only from the client's own address. Connections from other addresses are reset, and
// the wait continues, so that another host can neither receive nor send the data of a transfer. Ports are picked at
// random, so that the next one cannot be predicted. Clients with the same address, behind NAT, can be distinguished by
// their TLS session tickets: the caller reads the ticket in Claim.Identify.
//
// The caller parses the arguments of PORT and EPRT, and decides which addresses a Dialer may connect to.
//
// An accepted connection is first matched by its address (port.match), and then, if necessary, identified by its PROXY
// header or its ID (port.identify).
//
// # How many ports are needed
//
// A port is bound from PASV until the client has connected, not during the transfer. So one port serves many sessions:
// sessions with distinguishable connections use it at the same time (see [Ports.Listen]), others in turn.
//
// A port is closed when its last claim has its connection; the operating system then resets connections that were not
// accepted. While other claims keep a port open, every connection is accepted at once, and reset if no claim matches.
// Therefore a connection reaches the wrong session only if it comes from the same address and arrives just after that
// session has claimed the port. An attacker able to connect from the client's address gains nothing from this race.
package passive
