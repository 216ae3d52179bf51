// Package scp has the command line and the messages of SCP, which is the protocol of BSD's rcp on SSH.
//
// A client runs "scp -t PATH" to send files, or "scp -f PATH..." to receive some. The sender announces each file with its size and
// name, each directory, and times in a line of text; the receiver answers each line, and the data of each file, with a byte 0 or with
// a line that begins with 1 (this file failed) or 2 (the session ends).
package scp
