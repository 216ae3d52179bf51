//go:build !linux

package ftp

import (
	"net"
	"time"
)

// tcpState is not implemented on this system; the minimum grace applies.
func tcpState(net.Conn) (rtt time.Duration, ended bool) { return 0, false }

func sinceLastData(net.Conn) (age time.Duration, known bool) { return 0, false }

func hasUnread(net.Conn) bool { return false }

func keepUrgentInline(net.Conn) {}
