package passive

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

var (
	server  = netip.MustParseAddr("192.0.2.1")
	client  = netip.MustParseAddr("198.51.100.7")
	oneHour = Claim{Local: server, Peer: client, Timeout: time.Hour}
	silent  = slog.New(slog.DiscardHandler)
)
