package grant

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// Written are the files that a session has written: it may Stat them whatever its permissions. A session keeps its Written when
// its permissions change. Only the last ones are remembered. The zero value is ready to use.
type Written struct {
	mu    sync.Mutex
	names recent
}

// maxWritten limits the bytes of the names that a session remembers.
const maxWritten = 64 << 10

func (w *Written) add(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names.add(name, "", maxWritten)
}

func (w *Written) has(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.names.values[name]
	return ok
}

// remove forgets a name and all below it.
func (w *Written) remove(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for other := range maps.Keys(w.names.values) {
		if isWithin(name, other) {
			w.names.remove(other)
		}
	}
}

// rename follows a rename to another name, perhaps of another store.
func (w *Written) rename(from string, target *Written, to string) {
	if from == to && w == target {
		return
	}
	own := w.has(from)
	w.remove(from)
	target.remove(to)
	if own {
		target.add(to)
	}
}

// isWithin reports whether name is dir or below it.
func isWithin(dir, name string) bool {
	return name == dir || dir == "/" || strings.HasPrefix(name, dir) && name[len(dir)] == '/'
}

// Uploads are the uploads that a user has begun in this process: the user may resume them without the permission to overwrite.
// All sessions of the user share one. Only the last ones are remembered. The zero value is ready to use.
type Uploads struct {
	mu    sync.Mutex
	names recent // by upload ID
}

// maxUploads limits the bytes of the upload IDs and names that are remembered for a user.
const maxUploads = 256 << 10

func (u *Uploads) add(upload, name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.names.add(upload, name, maxUploads)
}

func (u *Uploads) has(upload string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, ok := u.names.values[upload]
	return ok
}

// isTo reports whether an upload to a file is remembered.
func (u *Uploads) isTo(name string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, v := range u.names.values {
		if v.text == name {
			return true
		}
	}
	return false
}

func (u *Uploads) remove(uploads ...string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, upload := range uploads {
		u.names.remove(upload)
	}
}

// recent is a map of limited size. It drops the oldest keys.
type recent struct {
	values map[string]value
	order  []ordered // all keys, and some that were removed or added again
	bytes  int       // of keys and values
	added  uint64
}

type value struct {
	text   string
	number uint64 // of all that were added
}

type ordered struct {
	key    string
	number uint64
}

// add adds a key, or makes it the newest.
func (r *recent) add(key, text string, limit int) {
	r.remove(key)
	if r.values == nil {
		r.values = make(map[string]value)
	}
	r.added++
	r.values[key] = value{text, r.added}
	r.order = append(r.order, ordered{key, r.added})
	r.bytes += len(key) + len(text)
	if len(r.order) > 2*len(r.values)+16 {
		r.order = slices.DeleteFunc(r.order, func(o ordered) bool { return !r.isCurrent(o) })
	}
	for r.bytes > limit {
		if r.isCurrent(r.order[0]) {
			r.remove(r.order[0].key)
		}
		r.order = r.order[1:]
	}
}

// isCurrent reports whether the key was not removed or added again.
func (r *recent) isCurrent(o ordered) bool { return r.values[o.key].number == o.number }

func (r *recent) remove(key string) {
	if v, ok := r.values[key]; ok {
		r.bytes -= len(key) + len(v.text)
		delete(r.values, key)
	}
}
