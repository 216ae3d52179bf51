package s3demo

import (
	"slices"
	"sort"
	"strings"
)

// A listing is what the three lists of a bucket have in common.
type listing struct {
	encoding
	prefix, delimiter string
	limit             int
}

// listing reads the parameters of a list. Those named keys must not be longer than one.
func (q *request) listing(limit string, keys ...string) (l listing, err error) {
	if l.encoding, err = parseEncoding(q.query); err != nil {
		return l, err
	}
	if l.limit, err = pageSize(q.query, limit); err != nil {
		return l, err
	}
	for _, name := range keys {
		if err := checkKey(q.query.Get(name)); err != nil {
			return l, err
		}
	}
	l.prefix, l.delimiter = q.query.Get("prefix"), q.query.Get("delimiter")
	return l, nil
}

// A page is a part of a listing: keys, and the prefixes that stand for all keys below them.
type page struct {
	keys     []string
	prefixes []string
	last     string // of both, in the order of the listing
	more     bool
}

// list returns at most limit of the sorted keys after the marker, rolled up at the delimiter; a limit below 1 is none.
//
// A marker that is itself a rolled-up prefix stands for all keys below it, since it ends the page before.
func list(keys []string, prefix, delimiter, marker string, limit int) page {
	i, _ := slices.BinarySearch(keys, prefix)
	if marker >= prefix {
		var found bool
		if i, found = slices.BinarySearch(keys, marker); found {
			i++
		}
		if group, ok := rollUp(marker, prefix, delimiter); ok && group == marker {
			i = endOf(keys, i, group)
		}
	}
	var p page
	for n := 0; i < len(keys) && strings.HasPrefix(keys[i], prefix); n++ {
		if n == limit && limit > 0 {
			p.more = true
			break
		}
		if group, ok := rollUp(keys[i], prefix, delimiter); ok {
			p.prefixes, p.last = append(p.prefixes, group), group
			i = endOf(keys, i, group)
			continue
		}
		p.keys, p.last = append(p.keys, keys[i]), keys[i]
		i++
	}
	return p
}

// rollUp returns the key up to the first delimiter behind the prefix, if it has both.
func rollUp(key, prefix, delimiter string) (string, bool) {
	rest, ok := strings.CutPrefix(key, prefix)
	if !ok || delimiter == "" {
		return "", false
	}
	at := strings.Index(rest, delimiter)
	if at < 0 {
		return "", false
	}
	return key[:len(prefix)+at+len(delimiter)], true
}

// endOf returns the index behind the keys that begin with prefix, the first of which is at i or before.
func endOf(keys []string, i int, prefix string) int {
	return i + sort.Search(len(keys)-i, func(j int) bool { return !strings.HasPrefix(keys[i+j], prefix) })
}
