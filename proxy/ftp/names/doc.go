// Package names translates between names as FTP clients write them and as a [proxy.Store] has them.
//
// A [Codec] decodes and encodes charsets, [Resolve] turns a path into the name of a file or directory, a [Pattern] matches
// names against wildcards, and [Quote] writes a name as RFC 959 wants it in replies. The package knows neither commands nor
// sessions, and is the only one that imports golang.org/x/text.
package names
