package config

import (
	"errors"
	"net"
	"strconv"
	"strings"
)

// parsePorts reads FIRST-LAST or a single port.
func parsePorts(text string) (Ports, error) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	a, errA := strconv.ParseUint(first, 10, 16)
	b, errB := strconv.ParseUint(last, 10, 16)
	switch {
	case errA != nil || errB != nil || a == 0 || b == 0:
		return Ports{}, errors.New("a range of ports from 1 to 65535 is wanted, such as 60000-60099, or a single port")
	case a > b:
		return Ports{}, errors.New("the lower port stands first: " + last + "-" + first)
	}
	return Ports{uint16(a), uint16(b)}, nil
}

func parsePort(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, errors.New("a port from 0 to 65535 is wanted")
	}
	return uint16(n), nil
}

// listenAddress reads an address that net.Listen takes, or nothing.
func listenAddress(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	host, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = parsePort(port)
	}
	if err != nil || strings.ContainsAny(host, "/ @") {
		return "", errors.New("an address with a port is wanted, such as :21, 127.0.0.1:2121 or [::1]:21")
	}
	return text, nil
}

// s3Address is listenAddress where nothing is not enough.
func s3Address(text string) (string, error) {
	if text == "" {
		return "", errors.New("an address with a port is wanted, such as 127.0.0.1:9000")
	}
	return listenAddress(text)
}
