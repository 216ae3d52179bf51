// Package packet has the requests and replies of SFTP version 3 (draft-ietf-secsh-filexfer-02) as bytes.
//
// A [Reader] reads requests from a channel, and leaves the data of WRITE to its caller, so that they need not be copied. The
// Append functions make replies.
package packet
