package ftp_test

import (
	"testing"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/ftp"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

func TestMemStore(t *testing.T) {
	storetest.Run(t, storetest.Limits{Brief: testing.Short()}, func(*testing.T) proxy.Store { return ftp.NewMemStore() })
}
