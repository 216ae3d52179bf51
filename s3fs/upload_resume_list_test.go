package s3fs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A part that was sent again is listed once, in its last version.
func TestLatestParts(t *testing.T) {
	begun := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	part := func(number int32, second int, size int64) types.Part {
		return types.Part{PartNumber: &number, LastModified: aws.Time(begun.Add(time.Duration(second) * time.Second)), Size: &size}
	}
	for want, parts := range map[string][]types.Part{
		"":            nil,
		"1:5 2:6 3:7": {part(1, 0, 5), part(2, 0, 6), part(3, 0, 7)},
		"1:5 2:8 9:1": {part(9, 0, 1), part(2, 1, 6), part(2, 2, 8), part(1, 3, 5)},
		"1:5 2:3":     {part(1, 0, 5), part(2, 2, 3), part(2, 1, 8)},
		"1:5 2:9":     {part(1, 0, 5), part(2, 1, 8), part(2, 1, 9)},
	} {
		var got []string
		for _, p := range latestParts(parts) {
			got = append(got, fmt.Sprintf("%d:%d", *p.PartNumber, *p.Size))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
