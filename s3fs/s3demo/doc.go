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
// happens to the key meanwhile. Completing a multipart upload moves no data, and neither does copying an object, which
// reads it only where a digest of the copy is not known yet.
//
// Nothing is forced to the disk with fsync: the death of the process loses nothing, a power failure may.
//
// # What it refuses
//
// The store refuses what Amazon S3 refuses by its documents, with the same status and code. Rules names each refusal and
// its source. In doubt it is the stricter one, so that what works here works there:
//
//   - The parts in CompleteMultipartUpload must be numbered from 1 without a gap in every upload. S3 says so of uploads
//     with checksums, and computes checksums itself where a client sends none.
//   - CompleteMultipartUpload must list the checksum of each part if the upload was created with an algorithm, of either
//     checksum type.
//   - A completed upload cannot be completed again.
//   - A write without a key's current object in If-Match or with If-None-Match fails if the key was written or deleted
//     since the write began; a multipart upload begins with its initiation.
//   - The versions of a key are ordered as in S3: an object of a multipart upload by its initiation, everything else by
//     its end. CompleteMultipartUpload answers 200 even if its object is older than what stands, and is not seen.
//     That goes for deletions too, also of keys that did not exist.
//
// # Where it differs from Amazon S3
//
//   - Buckets have no policies, lifecycle rules, replication, notifications, object lock or default encryption; most of
//     these answer 501, or as if not configured. Objects cannot be restored from an archive. Ownership is that of the
//     bucket's owner, and access control lists other than private are refused.
//   - Server-side encryption is kept and shown, but nothing is encrypted. The ETags of what aws:kms encrypts are random.
//     SSE-C is refused, as S3 does without TLS.
//   - An object that came without a checksum has none. S3 computes CRC64NVME.
//   - Of the algorithms for checksums, MD5, SHA512 and XXHASH are not known.
//   - Signatures of the single chunks of a STREAMING-AWS4-HMAC-SHA256-PAYLOAD body are not checked, its length and trailers are.
//   - User metadata that is not ASCII comes back as it was sent. S3 encodes it by RFC 2047.
//   - GetObjectAttributes tells the number of parts, but does not list them. ListBuckets has one page.
//   - CompleteMultipartUpload and CopyObject never fail after they have answered 200.
package s3demo
