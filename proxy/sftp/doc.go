// Package sftp serves SFTP version 3 (draft-ietf-secsh-filexfer-02) with extensions of OpenSSH, and SCP, over SSH.
//
// An upload is published by SSH_FXP_CLOSE and by nothing else: a connection or channel that ends before leaves the file as it was,
// and an upload that can be resumed.
//
// A connection is a session of the user, and each of its channels a subsystem of its own, with its own handles. Each open file is
// one Put or Open of the proxy.Store. Package reassembly puts the WRITE requests of a handle in order, package packet has the
// format of requests and replies.
//
// SCP runs on a channel with the command "scp". Package scp has its command line and messages; its uploads are handles of SFTP that the
// client writes from beginning to end, and that are closed when it has sent all of the size that it has announced.
package sftp
