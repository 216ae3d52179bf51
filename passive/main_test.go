package passive

import (
	"log/slog"
	"net/netip"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

var (
	server = netip.MustParseAddr("192.0.2.1")
	client = netip.MustParseAddr("198.51.100.7")
	silent = slog.New(slog.DiscardHandler)
)
