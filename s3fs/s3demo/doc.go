// Package s3demo is an embedded S3 service for `s3ftpd demo` and for tests.
//
// It stores buckets, objects and open multipart uploads in a directory, which persists between runs. It never holds an
// object or a part in memory. Clients use it over HTTP, as any other S3 service:
//
//	store, err := s3demo.Open("./data", s3demo.Options{Keys: map[string]string{"demo": "demo-secret"}})
//	...
//	err = store.CreateBucket("demo")
//	...
//	server := &http.Server{Handler: store.Handler()}
//
// # Guarantees
//
// A key may be any UTF-8 string of up to 1,024 bytes. "a" and "a/b" can both exist, and "x//y" and "../x" are ordinary
// keys. Bodies are verified with every digest in the request: Content-MD5, x-amz-checksum-* as a header or trailer, and
// the SHA-256 of a signed payload. An object appears whole or not at all, even if the process is killed; until then the
// replaced object stays. A download continues with the object it began with, even if the key is overwritten or deleted.
// Completing a multipart upload and copying an object move no data. A copy reads the object only to compute a digest that
// is not known yet.
//
// The store never calls fsync: data survives the end of the process, but may be lost in a power failure.
//
// # Refused requests
//
// The store refuses the requests that Amazon S3 refuses according to its documentation, with the same status and code.
// [Rules] lists each refusal and its source. Where the documentation is unclear the store is the stricter one, so that a
// client that works here works there:
//
//   - The part numbers in CompleteMultipartUpload must be consecutive from 1 in every upload. S3 documents this for
//     uploads with checksums, and computes checksums itself if a client sends none.
//   - CompleteMultipartUpload must list the checksum of each part if the upload was created with an algorithm, of either
//     checksum type.
//   - A completed upload cannot be completed again.
//   - A write with If-Match or If-None-Match also fails if the key was written or deleted since the write began. A
//     multipart upload begins with its initiation.
//   - The versions of a key are ordered as in S3: an object of a multipart upload by its initiation, everything else by
//     its end. CompleteMultipartUpload answers 200 even if its object is older than the current one, or than a deletion of
//     the key, and therefore never visible.
//
// # Differences from Amazon S3
//
//   - Lifecycle rules are stored and returned, and have no effect.
//   - Buckets have no policies, replication, notifications, object lock or default encryption; most of
//     these answer 501, or as if not configured. Objects cannot be restored from an archive. The bucket's owner owns all
//     objects, and access control lists other than private are refused.
//   - Server-side encryption is stored and returned, but nothing is encrypted. ETags of objects with aws:kms are random.
//     SSE-C is refused, as S3 does without TLS.
//   - An object that was sent without a checksum has none. S3 computes CRC64NVME.
//   - The checksum algorithms MD5, SHA512 and XXHASH are not supported.
//   - In a STREAMING-AWS4-HMAC-SHA256-PAYLOAD body, the signatures of chunks are not verified; its length and trailers are.
//   - User metadata that is not ASCII is returned as it was sent. S3 encodes it by RFC 2047.
//   - GetObjectAttributes returns the number of parts, but no list of them. ListBuckets returns one page.
//   - CompleteMultipartUpload and CopyObject never fail after status 200.
package s3demo
