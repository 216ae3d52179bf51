package s3demo

import (
	"encoding/xml"
	"slices"
	"strings"
)

type versionsAnswer struct {
	XMLName             xml.Name `xml:"ListVersionsResult"`
	Xmlns               string   `xml:"xmlns,attr"`
	Name                string
	Prefix              xmlText
	KeyMarker           xmlText
	VersionIDMarker     string `xml:"VersionIdMarker"`
	NextKeyMarker       *xmlText
	NextVersionIDMarker string `xml:"NextVersionIdMarker,omitempty"`
	MaxKeys             int
	Delimiter           *xmlText
	EncodingType        encoding `xml:",omitempty"`
	IsTruncated         bool
	Versions            []versionAnswer // objects and delete markers in their order
	CommonPrefixes      []prefixAnswer
}

// A versionAnswer is an element Version or DeleteMarker.
type versionAnswer struct {
	XMLName           xml.Name
	Key               xmlText
	VersionID         string `xml:"VersionId"`
	IsLatest          bool
	LastModified      string
	ETag              string `xml:",omitempty"`
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
	Size              *int64
	Owner             ownerAnswer
	StorageClass      string `xml:",omitempty"`
}

// listVersions answers ListObjectVersions, sorted by key and from the newest version to the oldest.
func (q *request) listVersions() error {
	l, err := q.listing("max-keys", "prefix", "key-marker")
	if err != nil {
		return err
	}
	p := versionsPage{listing: l, after: q.query.Get("key-marker"), afterID: q.query.Get("version-id-marker")}
	switch {
	case q.query.Has("version-id-marker") && p.afterID == "":
		return invalidArgument("version-id-marker", "", "A version-id marker cannot be empty.")
	case p.afterID != "" && p.after == "":
		return invalidArgument("version-id-marker", p.afterID, "A version-id marker cannot be specified without a key marker.")
	case p.afterID != "" && !validVersionID(p.afterID):
		return invalidArgument("version-id-marker", p.afterID, "Invalid version id specified")
	}
	q.store.mu.RLock()
	b, err := q.store.bucket(q.bucket)
	if err == nil {
		err = p.fill(b)
	}
	q.store.mu.RUnlock()
	if err != nil {
		return err
	}
	out := versionsAnswer{
		Xmlns: s3Namespace, Name: q.bucket, MaxKeys: l.limit, EncodingType: l.encoding,
		Prefix: l.text(l.prefix), Delimiter: l.optional(l.delimiter), KeyMarker: l.text(p.after), VersionIDMarker: p.afterID,
		IsTruncated: p.more, Versions: p.versions, CommonPrefixes: p.prefixes,
	}
	if p.more {
		out.NextKeyMarker, out.NextVersionIDMarker = l.optional(p.last), p.lastID
	}
	return q.answer(out)
}

// A versionsPage is a page of the list of versions.
type versionsPage struct {
	listing
	after, afterID string
	versions       []versionAnswer
	prefixes       []prefixAnswer
	last, lastID   string
	more           bool
}

// isFull reports whether the page is full. It sets more.
func (p *versionsPage) isFull() bool {
	if len(p.versions)+len(p.prefixes) < p.limit {
		return false
	}
	p.more = p.limit > 0
	return true
}

// fill fills the page.
func (p *versionsPage) fill(b *bucket) error {
	keys := []string(b.versioned)
	i, _ := slices.BinarySearch(keys, max(p.prefix, p.after))
	if group, ok := rollUp(p.after, p.prefix, p.delimiter); ok && group == p.after {
		i = endOf(keys, i, group)
	}
	for i < len(keys) && strings.HasPrefix(keys[i], p.prefix) {
		key := keys[i]
		if key == p.after && p.afterID == "" {
			i++
			continue
		}
		if group, ok := rollUp(key, p.prefix, p.delimiter); ok {
			if p.isFull() {
				return nil
			}
			p.prefixes = append(p.prefixes, prefixAnswer{p.text(group)})
			p.last, p.lastID = group, ""
			i = endOf(keys, i, group)
			continue
		}
		rec, err := b.record(key)
		if err != nil || !p.add(rec) {
			return err
		}
		i++
	}
	return nil
}

// add adds the versions of a key to the page, and reports whether all of them fit.
func (p *versionsPage) add(rec *record) bool {
	key := string(rec.Key)
	skip := key == p.after // up to the marker
	for i, v := range rec.Versions {
		if skip || v.Kind == tombstone {
			skip = skip && v.ID != p.afterID
			continue
		}
		if p.isFull() {
			return false
		}
		item := versionAnswer{
			XMLName: xml.Name{Local: "DeleteMarker"}, Key: p.text(key), VersionID: v.ID, IsLatest: i == 0,
			LastModified: shownTime(v.Modified), Owner: owner,
		}
		if v.isObject() {
			size := v.size()
			item.XMLName.Local, item.ETag, item.Size, item.StorageClass = "Version", quoted(v.ETag), &size, shownClass(v.Class)
			item.ChecksumAlgorithm, item.ChecksumType = strings.ToUpper(v.Checksum.Algorithm), v.Checksum.kind()
		}
		p.versions = append(p.versions, item)
		p.last, p.lastID = key, v.ID
	}
	return true
}
