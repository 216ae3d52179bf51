// Package names translates between the paths of clients and the names of a [proxy.Store].
//
// A [Codec] decodes and encodes charsets, [Resolve] turns a path into a name, a [Pattern] matches names against wildcards, and
// [Quote] quotes a name for a reply, as in RFC 959. The package has no commands and no sessions, and is the only one that
// imports golang.org/x/text.
package names
