package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// units lists the units of sizes. A plain M is not among them, because it could be MB or MiB.
var units = map[string]int64{
	"": 1, "b": 1,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
	"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
}

// parseSize reads a size of at least one byte.
func parseSize(text string) (int64, error) {
	digits := strings.TrimRight(text, "BKMGTbkmgti ")
	unit, known := units[strings.ToLower(strings.TrimSpace(text[len(digits):]))]
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || !known || n == 0 || int64(n) > math.MaxInt64/unit {
		return 0, errors.New("must be a size, e.g. 64KiB, 8MiB, 10MB or a number of bytes")
	}
	return int64(n) * unit, nil
}

// S3's limits for the size of a part.
const (
	minPart = 5 << 20
	maxPart = 5 << 30
)

// minMemory is the smallest budget in which transfers make progress.
const minMemory = 8 << 20

func parseMemory(text string) (int64, error) {
	n, err := parseSize(text)
	if err == nil && n < minMemory {
		err = errors.New("must be at least 8MiB")
	}
	return n, err
}

func parsePartSize(text string) (int64, error) {
	n, err := parseSize(text)
	if err == nil && (n < minPart || n > maxPart) {
		err = errors.New("must be from 5MiB to 5GiB, the limits of S3")
	}
	return n, err
}

// parseDuration reads a positive duration.
func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, errors.New("must be a positive duration, e.g. 300ms, 20s or 1h30m")
	}
	return d, nil
}

// parseCount reads a positive number.
func parseCount(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > math.MaxInt32 {
		return 0, errors.New("must be a number of at least 1")
	}
	return n, nil
}

// SizeText returns a size in the largest unit that divides it.
func SizeText(n int64) string {
	for _, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if u := units[strings.ToLower(unit)]; n >= u && n%u == 0 {
			return fmt.Sprintf("%d%s", n/u, unit)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
