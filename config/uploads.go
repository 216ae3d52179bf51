package config

import (
	"errors"
	"strconv"
	"time"
)

// How many part numbers a service may take. Up to the last hundred of them mark the uploads of s3ftpd, and are never data.
const (
	leastParts = 250
	mostParts  = 10_000
)

// parseParts reads how many part numbers a service takes.
func parseParts(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < leastParts || n > mostParts {
		return 0, errors.New("a number from 250 to 10000 is wanted")
	}
	return n, nil
}

// orOff lets off and 0 stand for no time at all.
func orOff(text string) (time.Duration, error) {
	if text == "off" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, errors.New("a duration such as 24h or 90m is wanted, or 0 for off")
	}
	return d, nil
}
