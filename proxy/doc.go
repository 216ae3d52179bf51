// Package proxy is what the protocols that clients speak have in common: a [Store] that keeps the files, and the
// [Attempt] to log in to one, and the deviations that some devices need, [Compat].
//
// Package ftp speaks FTP and FTPS. A package that keeps files, as s3fs does, knows no protocol.
package proxy
