package sftp

import "sync"

// A queue runs the requests of a handle one after the other. It has a goroutine while there are some.
type queue struct {
	mu      sync.Mutex
	work    []func()
	running bool
}

// enqueue runs work after what was added to q before.
func (s *subsystem) enqueue(q *queue, work func()) error {
	return s.slot(func(release func()) {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.work = append(q.work, func() {
			defer release()
			work()
		})
		if !q.running {
			q.running = true
			s.tasks.Go(func() {
				defer s.recoverPanic("request")
				q.run()
			})
		}
	})
}

func (q *queue) run() {
	for {
		q.mu.Lock()
		if len(q.work) == 0 {
			q.running = false
			q.mu.Unlock()
			return
		}
		next := q.work[0]
		q.work = q.work[1:]
		q.mu.Unlock()
		next()
	}
}
