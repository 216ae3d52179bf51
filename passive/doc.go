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
// Clients that share an address, behind a translating router, can be told apart by what they show under TLS, and that is
// the caller's part, who reads IDs for Claim.Identify, as are the grammar of FTP and the rule whom to dial: a Dialer
// connects where it is told.
//
// door.meet takes in what has connected, visitor.narrow and what it calls decide whose it can be.
//
// # How many ports
//
// A port is held only from PASV until the client has connected, never during the transfer. A range of one port
// serves many sessions: at the same time those whose connections can be told apart (see [Ports.Listen]), others in turn.
//
// A port closes, and the system resets what has come to it and is not taken, when its last session has its connection.
// One that stays open for other sessions takes at once whatever comes, and resets what nobody awaits at that moment.
// So the only connection that can be taken for that of a later session is one from the same address that comes in the
// instant between two sessions; who can make such ones could as well connect a moment later.
package passive
