package ftp

import "github.com/s3ftpd/s3ftpd/proxy"

// NewMemStore gives the contract the store of the transcripts.
func NewMemStore() proxy.Store { return newMemStore() }
