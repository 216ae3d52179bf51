package storetest

import (
	"testing"

	"github.com/s3ftpd/s3ftpd/proxy"
)

func TestContractOfMemory(t *testing.T) {
	Run(t, Limits{Brief: testing.Short()}, func(*testing.T) proxy.Store { return NewMemory() })
}
