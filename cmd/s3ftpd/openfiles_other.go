//go:build !unix

package main

// maxOpenFiles returns 0: the operating system has no such limit.
func maxOpenFiles() uint64 { return 0 }
