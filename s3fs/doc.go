// Package s3fs keeps files in a bucket of an S3 service, and knows nothing of FTP.
//
// [NewClient] names the service, [NewFS] a place in one of its buckets. An [FS] reads and writes the objects there as files:
// a directory is a key that ends in a slash, or any beginning of a key up to a slash.
//
// A file appears whole or not at all. Put sends nothing that could be taken for the file until its reader has
// returned io.EOF: a short content is one PutObject, a longer one a multipart upload, whose parts nobody sees
// before it is completed. Every object and part carries a checksum that the service verifies.
//
// What is read is of one version of a file, which every request after the first is pinned to by its ETag. It goes on
// with a range where an answer broke off, is fetched in parallel ranges where one connection holds the reader up, and
// ends in io.EOF only if all of it came, as the service's checksum has it, where it keeps one that can be compared.
//
// All transfers of a process share one [budget.Budget]. Data is received straight into its buffers and sent from them.
// While the budget is spent, uploads and their clients wait, and downloads do not prefetch. There are no temporary files.
//
// Operations of one process on one name have an order: each checks and changes it under a lock that the client holds. Between processes there are
// S3's conditions alone.
//
// Errors are those of io/fs and syscall that fit, or any other error where the service failed. They carry S3's own
// code and request id in their text, which is for logs.
package s3fs
