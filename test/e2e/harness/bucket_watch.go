package harness

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

// A Watcher lists a bucket all the time, and reads each object that it has not seen before.
type Watcher struct {
	Bucket
	mu    sync.Mutex
	whole map[string][]string // the sums that an object may have
	Seen  map[string]bool     // keys with their ETags and sizes
}

// Watch starts a Watcher, which runs until the returned function is called. An object with another sum than allowed fails the test.
func (v Bucket) Watch() (*Watcher, func()) {
	w := &Watcher{Bucket: v, whole: make(map[string][]string), Seen: make(map[string]bool)}
	ctx, stop := context.WithCancel(v.T.Context())
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
	v.T.Cleanup(end)
	return w, end
}

// Allow replaces the sums that an object may have.
func (w *Watcher) Allow(key string, sums ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.whole[key] = sums
}

func (w *Watcher) look(ctx context.Context) {
	list, err := w.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &w.Name})
	if err != nil {
		return // it is over
	}
	for _, o := range list.Contents {
		id := fmt.Sprintln(aws.ToString(o.Key), aws.ToString(o.ETag), aws.ToInt64(o.Size))
		if w.Seen[id] {
			continue
		}
		got, err := w.GetObject(ctx, &s3.GetObjectInput{Bucket: &w.Name, Key: o.Key, IfMatch: o.ETag})
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
			w.T.Errorf("%s: %d bytes read", strings.TrimSpace(id), n)
		}
		sum := SumOf(w.T, &content)
		w.Seen[id] = true
		w.mu.Lock()
		if whole := w.whole[aws.ToString(o.Key)]; !strings.Contains(strings.Join(whole, " "), sum) {
			w.T.Errorf("an object is visible that nobody has sent: %s with SHA-256 %s, want one of %s", strings.TrimSpace(id), sum, whole)
		}
		w.mu.Unlock()
	}
}
