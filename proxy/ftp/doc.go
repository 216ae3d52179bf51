// Package ftp speaks the File Transfer Protocol to clients and keeps their files in a [proxy.Store].
//
// A [Server] accepts control connections and authenticates clients with its Login. It turns each command line into calls of the Store
// that Login returned, and into exactly one final reply. Package passive makes the data connections.
//
//	srv := &ftp.Server{
//		Login: func(ctx context.Context, a proxy.Attempt) (proxy.Account, error) { ... },
//		Passive: passive.Ports{First: 60000, Last: 60100},
//	}
//	err := srv.Serve(ctx, listener)
//
// # Meaning of 226
//
// A 226 after an upload means that Store.Put has returned nil: the file is complete and durable. Put commits an upload only if
//
//   - the data connection ended in order: with FIN, under TLS with close_notify;
//   - the control connection outlived it, or QUIT was sent after the data;
//   - the client sent no ABOR;
//   - as many bytes came as ALLO announced, if [proxy.Compat] makes that binding.
//
// Otherwise the reply is an error and the file is unchanged.
// A 226 after a download means that every byte of one version of the file was sent. The data connection of an incomplete download is
// reset, which clients notice that do not read replies.
//
// # The protocol
//
// RFC 959 with the clarifications of RFC 1123, RFC 2389 (FEAT, OPTS), RFC 2428 (EPRT, EPSV), RFC 2640 (UTF-8
// names; see [proxy.Compat] for devices with other charsets), RFC 3659 (MDTM, SIZE, REST, MLST, MLSD) and RFC 7151 (HOST); MFMT, HASH and
// RANG by their drafts; and XCRC, XMD5, XSHA1, XSHA256, XSHA512, CLNT and AVBL as in other servers. A session starts in TYPE I, not in
// TYPE A as in RFC 959, because a client that never sends TYPE would get damaged binary files.
// STRU F is the only structure; MODE S and MODE Z are the modes.
//
// MODE Z (draft-preston-ftpext-deflate-04) makes the data connection a zlib stream, for files and listings:
//
//   - An upload is complete if its stream has its last block and a correct checksum, and nothing after it, and if the conditions of
//     MODE S hold. A connection without data is not an empty file. The data of a corrupt stream is not kept for resuming.
//   - ALLO, REST and the log count uncompressed bytes.
//   - Above 4 GiB a file may have 200 times the compressed bytes; more is 552. A stream that stalls for the stall timeout is 426.
//   - A transfer needs 0.14 MiB more memory for an upload and up to 1.3 MiB for a download, outside of the store's budget.
//   - OPTS MODE Z LEVEL sets the compression level of downloads, 0 to 9. The default is 1, the fastest. Only 16 transfers compress at
//     a time; others send an uncompressed zlib stream.
//
// # Goroutines of a session
//
// A session's state belongs to one goroutine, so it has no locks. A second goroutine reads command lines. A third one runs a transfer
// or a command that calls the storage, so that the session notices ABOR and the loss of the control connection meanwhile, and
// answers STAT and NOOP during a transfer. Other commands wait. An idle session has only the second one: it needs the memory of one
// stack less.
package ftp
