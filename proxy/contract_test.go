package proxy_test

import (
	"testing"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

func TestMemStore(t *testing.T) {
	storetest.Run(t, storetest.Limits{}, func(*testing.T) proxy.Store { return proxy.NewMemStore() })
}
