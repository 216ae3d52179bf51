package auth

// A recent is a map with a bounded number of items. If there are more, the items that were changed longest ago leave first. It is
// made with newRecent.
type recent[K comparable, V any] struct {
	max   int
	items map[K]*item[K, V]
	ring  item[K, V] // its next is the oldest item, and its previous the newest
}

// An item is a key with its value, in the order of changes.
type item[K comparable, V any] struct {
	next, previous *item[K, V]
	key            K
	value          V
}

func newRecent[K comparable, V any](most int) *recent[K, V] {
	r := &recent[K, V]{max: most, items: make(map[K]*item[K, V])}
	r.ring.next, r.ring.previous = &r.ring, &r.ring
	return r
}

// get returns the value of a key, or nil. The caller may read it until the next change.
func (r *recent[K, V]) get(key K) *V {
	if i := r.items[key]; i != nil {
		return &i.value
	}
	return nil
}

// change returns the value of a key, zero if it is new, to be changed. The key is now the newest.
func (r *recent[K, V]) change(key K) *V {
	i := r.items[key]
	if i != nil {
		i.unlink()
	} else {
		if len(r.items) >= r.max {
			r.remove(r.ring.next.key)
		}
		i = &item[K, V]{key: key}
		r.items[key] = i
	}
	i.next, i.previous = &r.ring, r.ring.previous
	i.previous.next, i.next.previous = i, i
	return &i.value
}

// remove removes a key, if it is there.
func (r *recent[K, V]) remove(key K) {
	if i := r.items[key]; i != nil {
		i.unlink()
		delete(r.items, key)
	}
}

func (i *item[K, V]) unlink() { i.previous.next, i.next.previous = i.next, i.previous }
