// Package reassembly puts the WRITE requests of one SFTP handle in order, and is the [proxy.Source] of the upload.
//
// The first bytes that a handle writes stay in memory, where they can be overwritten in any order: a small file can be written as on
// a disk. Once there are more, the Put of the upload begins. From then on the content streams in ascending order, straight from the
// channel into the buffers of the store. Requests that overtake others wait in memory. A request that goes back behind what the
// store has taken fails, because S3 cannot change a part that was sent.
//
// The content is published by Close and by nothing else, and only if all requests before it have succeeded.
package reassembly
