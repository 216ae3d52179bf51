package s3fs

import (
	"context"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// countRequests returns an FS like f, and a function that returns the number of its requests by operation.
func countRequests(f *FS) (*FS, func() map[string]int) {
	var mu sync.Mutex
	counts := make(map[string]int)
	count := middleware.InitializeMiddlewareFunc("count", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		mu.Lock()
		counts[awsmiddleware.GetOperationName(ctx)]++
		mu.Unlock()
		return next.HandleInitialize(ctx, in)
	})
	g := *f
	g.api = s3.New(f.api.Options(), func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error { return stack.Initialize.Add(count, middleware.After) })
	})
	return &g, func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(counts)
	}
}

// The numbers of requests in the rows of docs/requests.md about files over 5 GiB are right.
func TestRequestsOfLargeCopies(t *testing.T) {
	text, err := os.ReadFile("../docs/requests.md")
	if err != nil {
		t.Fatal(err)
	}
	for row, do := range map[string]func(*FS) error{
		"`RNTO` of a file over 5 GiB":               func(f *FS) error { return errOf(f.Rename(t.Context(), "/d/f", "/e", true)) },
		"`MFMT`, `SITE UTIME` of a file over 5 GiB": func(f *FS) error { return errOf(f.SetTime(t.Context(), "/d/f", time.Unix(1, 0))) },
	} {
		_, rest, found := strings.Cut(string(text), "\n| "+row+" | ")
		cell, _, _ := strings.Cut(rest, " |")
		if !found {
			t.Errorf("docs/requests.md has no row %s", row)
		}
		want := make(map[string]int)
		for item := range strings.SplitSeq(cell, ", ") {
			var n int
			var name, per string
			fmt.Sscan(item, &n, &name, &per)
			if want[name] = n; per != "" {
				want[name] = 3 // parts
			}
		}
		f, got := countRequests(inSmallParts(NewFS(embedded(t, "files"), Options{Bucket: "files"})))
		if _, err := f.Put(t.Context(), "/d/f", storetest.Source(zeros(large)), proxy.Write{}); err != nil {
			t.Fatal(err)
		}
		before := got()
		if err := do(f); err != nil {
			t.Fatal(err)
		}
		awaitCleanUps(t, f)
		after := got()
		for name, n := range before {
			if after[name] -= n; after[name] == 0 {
				delete(after, name)
			}
		}
		if !maps.Equal(after, want) {
			t.Errorf("%s: got %v, want %v", row, after, want)
		}
	}
}
