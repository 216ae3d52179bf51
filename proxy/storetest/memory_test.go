package storetest

import (
	"testing"

	"github.com/s3ftpd/s3ftpd/proxy"
)

func TestContractOfMemory(t *testing.T) {
	Run(t, Limits{Brief: testing.Short(), Part: 64 << 10}, func(*testing.T) proxy.Store { return NewMemory() })
}
