package ftp

import "github.com/s3ftpd/s3ftpd/proxy"

// NewMemStore returns the store of the transcripts, for the tests in package ftp_test.
func NewMemStore() proxy.Store { return newMemStore() }
