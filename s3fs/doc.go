// Package s3fs stores files in a bucket of an S3 service. It is independent of FTP.
//
// [NewClient] makes a client of a service, [NewFS] a file system below a prefix of a bucket. An [FS] reads and writes
// objects as files. A directory is a key that ends in a slash, or the part of a key up to a slash.
//
// A file appears whole or not at all. A short file is one PutObject, a longer one a multipart upload. Put does not
// publish it before its source has returned io.EOF and its Commit nil. Every object and part has a checksum that the
// service verifies.
//
// A download reads one version of an object: every request after the first has If-Match with its ETag. If a response
// breaks off, the download resumes with a range. If one connection is too slow for the client, it fetches ranges in
// parallel. It returns io.EOF only if all bytes have come and match the checksum that S3 stores, if that can be
// compared.
//
// All transfers of a process share one [budget.Budget]. Data is received into its buffers and sent from them. While the
// budget is spent, uploads wait and downloads do not prefetch; with Options.User, it is fair to users.
// s3fs creates no temporary files.
//
// Operations of one process on one name are serialized by a lock in its [Registry]. Between processes, only the
// conditions of S3 (If-Match, If-None-Match) prevent lost updates.
//
// Errors wrap the matching error of io/fs or syscall, or none if the service failed. Their text has the error code and
// the request ID of S3, for logs.
package s3fs
