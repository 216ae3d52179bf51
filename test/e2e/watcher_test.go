package e2e

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// A watcher looks at the bucket all the time, and at every object that it has not seen before.
type watcher struct {
	bucketView
	mu    sync.Mutex
	whole map[string][]string // the sums that an object may have
	seen  map[string]bool     // keys with their ETags and sizes
}

// watch looks until the function that it returns is called.
func (v bucketView) watch() (*watcher, func()) {
	w := &watcher{bucketView: v, whole: make(map[string][]string), seen: make(map[string]bool)}
	ctx, stop := context.WithCancel(v.t.Context())
	var looking sync.WaitGroup
	looking.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			w.look(ctx)
			<-tick.C
		}
	})
	end := sync.OnceFunc(func() { stop(); looking.Wait() })
	v.t.Cleanup(end)
	return w, end
}

// allow says what an object may be from now on.
func (w *watcher) allow(key string, sums ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.whole[key] = sums
}

func (w *watcher) look(ctx context.Context) {
	list, err := w.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &w.bucket})
	if err != nil {
		return // it is over
	}
	for _, o := range list.Contents {
		id := fmt.Sprintln(aws.ToString(o.Key), aws.ToString(o.ETag), aws.ToInt64(o.Size))
		if w.seen[id] {
			continue
		}
		got, err := w.GetObject(ctx, &s3.GetObjectInput{Bucket: &w.bucket, Key: o.Key, IfMatch: o.ETag})
		if err != nil {
			continue // replaced meanwhile
		}
		var content bytes.Buffer
		n, err := content.ReadFrom(got.Body)
		got.Body.Close()
		if err != nil {
			continue
		}
		if n != aws.ToInt64(o.Size) {
			w.t.Errorf("%s: %d bytes read", strings.TrimSpace(id), n)
		}
		sum := sumOf(w.t, &content)
		w.seen[id] = true
		w.mu.Lock()
		if whole := w.whole[aws.ToString(o.Key)]; !strings.Contains(strings.Join(whole, " "), sum) {
			w.t.Errorf("an object is visible that nobody has sent: %s with SHA-256 %s, want one of %s", strings.TrimSpace(id), sum, whole)
		}
		w.mu.Unlock()
	}
}
