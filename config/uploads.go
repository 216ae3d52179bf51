package config

import (
	"errors"
	"strconv"
	"time"
)

// Limits of --max-parts. Up to the last hundred part numbers are claims of s3ftpd, not data.
const (
	minMaxParts = 250
	maxMaxParts = 10_000
)

// parseParts reads the highest part number of a service.
func parseParts(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < minMaxParts || n > maxMaxParts {
		return 0, errors.New("must be a number from 250 to 10000")
	}
	return n, nil
}

// parseResume reads a duration; 0 and off mean that uploads cannot be resumed.
func parseResume(text string) (time.Duration, error) {
	if text == "off" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, errors.New("must be a duration, e.g. 24h or 90m, or 0 for off")
	}
	return d, nil
}
