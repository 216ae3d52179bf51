// Package passive makes the data connections of FTP sessions, one for each transfer.
//
// In passive mode (RFC 959 PASV, RFC 2428 EPSV) the client connects. [Ports] binds a port of its range when a
// session asks for one, and the [Listener] waits there for the one connection of that session's client:
//
//	l, err := ports.Listen(ctx, passive.Claim{Local: local, Peer: peer, Timeout: 20 * time.Second})
//	if err != nil {
//		return err // among others ErrNoPort
//	}
//	defer l.Close()
//	// tell the client l.Port(), hear its next command, then
//	conn, err := l.Conn(ctx)
//
// In active mode (PORT, EPRT) the server connects: [Dialer.Dial].
//
// # Who may connect
//
// Only the client's own address. A connection from any other is reset, and the wait goes on, so that a stranger
// can neither take a transfer nor spoil it. Ports are picked at random, so that it cannot be foretold which comes next.
// Clients that share an address, behind a translating router, are told apart by TLS alone; that is the caller's
// part, as are the grammar of FTP and the rule whom to dial: a Dialer connects where it is told.
//
// # How many ports
//
// A port is held only from PASV until the client has connected, never during the transfer. A range of one port
// serves many sessions, in turn; a range has to be as large as connections are awaited at one time.
package passive
