// Package proxy has the types that the protocols share: the [Store] that keeps the files, the [Attempt] to log in and the
// [Account] that it yields, the running [Sessions], the [Observer] of events, and [Compat], the deviations from the
// standards that some devices need.
//
// Package ftp serves FTP and FTPS with them. Package s3fs is a [Store], and knows no protocol.
package proxy
