package s3demo

import (
	"slices"
	"sort"
	"strings"
)

// A listing has the parameters common to ListObjects, ListObjectVersions and ListMultipartUploads.
type listing struct {
	encoding
	prefix, delimiter string
	limit             int
}

// listing parses the parameters of a listing: limit is the name of its page size, keys are those that must be valid keys.
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

// A page is a page of a listing: keys, and common prefixes.
type page struct {
	keys     []string
	prefixes []string
	last     string // of both, in the order of the listing
	more     bool
}

// list returns a page of at most limit keys and common prefixes after the marker; limit below 1 = no limit. keys must be
// sorted.
//
// A marker that is a common prefix, from the end of the page before, skips all keys below it.
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

// rollUp returns the common prefix of a key: up to the first delimiter after prefix. It reports false if there is none.
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

// endOf returns the index after the keys with the prefix. All keys from the first such key to i must have it.
func endOf(keys []string, i int, prefix string) int {
	return i + sort.Search(len(keys)-i, func(j int) bool { return !strings.HasPrefix(keys[i+j], prefix) })
}
