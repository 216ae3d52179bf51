//go:build !linux

package proxy

import (
	"net"
	"time"
)

// kernelView knows nothing of a connection on this system: the least grace applies.
func kernelView(net.Conn) (rtt time.Duration, ended bool) { return 0, false }

func keepUrgentInline(net.Conn) {}
