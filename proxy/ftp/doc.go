// Package ftp speaks the File Transfer Protocol to clients and keeps their files in a [proxy.Store].
//
// A [Server] accepts control connections, asks its Login who may come in, and from then on turns each
// command line into calls of the Store that Login returned, and into exactly one final reply. It knows
// nothing about where a Store keeps its files; package passive makes the data connections.
//
//	srv := &ftp.Server{
//		Login: func(ctx context.Context, a proxy.Attempt) (proxy.Account, error) { ... },
//		Passive: passive.Ports{First: 60000, Last: 60100},
//	}
//	err := srv.Serve(ctx, listener)
//
// # What a reply promises
//
// A 226 after an upload means that Store.Put has returned nil: the file is complete and durable under its
// name. An upload is handed to Put as a reader that ends with io.EOF only if the data connection ended
// cleanly, the control connection outlived it or QUIT was sent behind the data, no ABOR came, and the size announced
// by ALLO was reached where [proxy.Compat] says that it binds; in every other case the reader ends with another error, and
// nothing changes under the name.
// A 226 after a download means that every byte of one version of the file was sent; a download that broke
// ends its data connection with a reset, so that a client that does not read replies can tell as well.
//
// # The protocol
//
// RFC 959 with the clarifications of RFC 1123, RFC 2389 (FEAT, OPTS), RFC 2428 (EPRT, EPSV), RFC 2640 (UTF-8
// names; see [proxy.Compat] for devices that have others), RFC 3659 (MDTM, SIZE, REST, MLST, MLSD) and RFC 7151 (HOST); MFMT, and HASH
// with RANG, as drafted; and XCRC, XMD5, XSHA1, XSHA256, XSHA512, CLNT and AVBL as other servers have them. A session begins in
// TYPE I, not in the TYPE A of RFC 959, because a client that never says which it wants would see its binary files damaged.
// STRU F is the only structure; MODE S and MODE Z are the modes.
//
// MODE Z (draft-preston-ftpext-deflate-04) makes the data connection a zlib stream, for files and for lists. An upload is
// whole only if its stream is: the last block is there, the checksum right, and nothing behind it; and then all has to be as in
// MODE S. A connection that brings nothing is no empty file. What a damaged stream has brought is not kept for resuming.
// ALLO, REST and the log count bytes of the file. Beyond 4 GiB a file may be 200 times what came over the wire, or else it
// is 552; a stream of which nothing comes for the stall time-out is 426. A transfer in MODE Z takes 0.14 MiB more for an upload
// and up to 1.3 MiB for a download, outside of the store's budget. OPTS MODE Z LEVEL n, from 0 to 9, is how hard what is sent
// is compressed: 1, the fastest, unless the client says more. 16 transfers may compress at a time; others are sent as they are,
// in a zlib stream all the same.
//
// # How a session works
//
// A session is one goroutine, so it has no locks. A second goroutine reads command lines and passes them on,
// and a third one runs the transfer in progress, if there is one: so the session hears ABOR, STAT and NOOP,
// and the loss of the control connection, while data flows. Other commands wait until the transfer is over. A checksum
// that takes long is computed in a goroutine too, for ABOR and the loss of the control connection.
package ftp
