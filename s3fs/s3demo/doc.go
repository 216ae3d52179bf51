// Package s3demo is an S3 service inside the process, for `s3ftpd demo`, for tests and for trying things out.
//
// It keeps buckets, objects and running multipart uploads in a directory of the disk, from one run to the next, and
// never holds an object or a part in memory. A bucket of it is reached as any other S3 service is, over HTTP:
//
//	store, err := s3demo.Open("./data", s3demo.Options{Keys: map[string]string{"demo": "demo-secret"}})
//	...
//	err = store.CreateBucket("demo")
//	...
//	server := &http.Server{Handler: store.Handler()}
//
// # What may be relied on
//
// A key may be any string of UTF-8 up to 1,024 bytes: "a" stands beside "a/b", "x//y" and "../x" are names like others.
// Bodies are checked against every digest that came with them: Content-MD5, x-amz-checksum-* as a header or as a trailer,
// and the SHA-256 of a signed payload. An object appears whole or not at all, also when the process is killed
// in the middle; until then the object that it replaces stays. A download goes on with the object it began with, whatever
// happens to the key meanwhile. Completing a multipart upload and copying an object move no data.
//
// Nothing is forced to the disk with fsync: the death of the process loses nothing, a power failure may.
//
// # Where it differs from Amazon S3
//
//   - Buckets have no versions, policies, lifecycle rules, encryption or object lock; most of these answer 501, or as if not configured.
//   - A copy keeps the ETag of its source, also of one made by a multipart upload.
//   - A single PUT may exceed 5 GiB, and so may the source of a copy.
//   - Signatures of the single chunks of a STREAMING-AWS4-HMAC-SHA256-PAYLOAD body are not checked, its length and trailers are.
//   - UploadPart and CompleteMultipartUpload check checksums but do not repeat them in the answer; HEAD, GET and ListParts tell them.
//   - DeleteObjects compares an ETag condition wrongly with objects made by a multipart upload, and refuses.
//     GetObjectAttributes shows the ETag of such an object in another form and every checksum as FULL_OBJECT.
//   - A key that is not UTF-8 is stored, but its signature cannot be checked and is refused when there are keys.
//   - A method that S3 does not know for a resource is answered with 400 instead of 405.
package s3demo
