// Package modez reads and writes the zlib stream of FTP's MODE Z (draft-preston-ftpext-deflate-04).
//
// A [Compressor] writes such streams. A [Reader] reads one, and returns io.EOF only if the stream is complete and nothing
// follows it. The package has no commands and no connections.
package modez
