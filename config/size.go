package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// units of sizes. A bare M would leave open which of two it is, and is refused.
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
		return 0, errors.New("a size is wanted, such as 8MiB, 64KiB, 1GiB, 10MB or a number of bytes")
	}
	return int64(n) * unit, nil
}

// What S3 takes as a part.
const (
	minPart = 5 << 20
	maxPart = 5 << 30
)

// leastMemory is a budget in which transfers can still take turns.
const leastMemory = 8 << 20

func parseMemory(text string) (int64, error) {
	n, err := parseSize(text)
	if err == nil && n < leastMemory {
		err = errors.New("at least 8MiB are wanted")
	}
	return n, err
}

func parsePartSize(text string) (int64, error) {
	n, err := parseSize(text)
	if err == nil && (n < minPart || n > maxPart) {
		err = errors.New("S3 takes parts from 5MiB to 5GiB")
	}
	return n, err
}

// parseDuration reads a duration above zero.
func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, errors.New("a duration above zero is wanted, such as 300ms, 20s, 5m, 1h30m or 24h")
	}
	return d, nil
}

// parseCount reads a number of at least one.
func parseCount(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > math.MaxInt32 {
		return 0, errors.New("a number from 1 on is wanted")
	}
	return n, nil
}

// sizeText writes a size the way people write them.
func sizeText(n int64) string {
	for _, unit := range []string{"GiB", "MiB", "KiB"} {
		if u := units[strings.ToLower(unit)]; n >= u && n%u == 0 {
			return fmt.Sprintf("%d%s", n/u, unit)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
