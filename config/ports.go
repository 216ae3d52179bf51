package config

import (
	"errors"
	"net"
	"strconv"
	"strings"
)

// parsePorts reads FIRST-LAST, or a single port.
func parsePorts(text string) (Ports, error) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	a, errA := strconv.ParseUint(first, 10, 16)
	b, errB := strconv.ParseUint(last, 10, 16)
	switch {
	case errA != nil || errB != nil || a == 0 || b == 0:
		return Ports{}, errors.New("must be a range of ports from 1 to 65535, e.g. 60000-60099, or a single port")
	case a > b:
		return Ports{}, errors.New("must begin with the lower port: " + last + "-" + first)
	}
	return Ports{uint16(a), uint16(b)}, nil
}

func parsePort(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, errors.New("must be a port from 0 to 65535")
	}
	return uint16(n), nil
}

// listenAddress reads an address for net.Listen, or an empty text.
func listenAddress(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	host, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = parsePort(port)
	}
	if err != nil || strings.ContainsAny(host, "/ @") {
		return "", errors.New("must be an address with a port, e.g. :21, 127.0.0.1:2121 or [::1]:21")
	}
	return text, nil
}

// s3Address reads an address for net.Listen, which must not be empty.
func s3Address(text string) (string, error) {
	if text == "" {
		return "", errors.New("must be an address with a port, e.g. 127.0.0.1:9000")
	}
	return listenAddress(text)
}
