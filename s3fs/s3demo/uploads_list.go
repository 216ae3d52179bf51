package s3demo

import (
	"cmp"
	"encoding/xml"
	"maps"
	"slices"
	"strings"
)

type uploadsAnswer struct {
	XMLName            xml.Name `xml:"ListMultipartUploadsResult"`
	Xmlns              string   `xml:"xmlns,attr"`
	Bucket             string
	KeyMarker          xmlText
	UploadIDMarker     string   `xml:"UploadIdMarker"`
	NextKeyMarker      *xmlText `xml:",omitempty"`
	NextUploadIDMarker string   `xml:"NextUploadIdMarker,omitempty"`
	Prefix             xmlText
	Delimiter          *xmlText
	EncodingType       encoding `xml:",omitempty"`
	MaxUploads         int
	IsTruncated        bool
	Upload             []uploadAnswer
	CommonPrefixes     []prefixAnswer
}

type uploadAnswer struct {
	Key               xmlText
	UploadID          string `xml:"UploadId"`
	Initiator         ownerAnswer
	Owner             ownerAnswer
	StorageClass      string
	Initiated         string
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
}

type prefixAnswer struct{ Prefix xmlText }

// listUploads answers ListMultipartUploads, sorted by key and initiation.
func (q *request) listUploads() error {
	p, err := q.listing("max-uploads", "prefix", "key-marker")
	if err != nil {
		return err
	}
	q.store.mu.RLock()
	b, err := q.store.bucket(q.bucket)
	if err != nil {
		q.store.mu.RUnlock()
		return err
	}
	all := slices.SortedFunc(maps.Values(b.uploads), func(a, b *upload) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Order, b.Order))
	})
	q.store.mu.RUnlock()

	page := uploadsPage{listing: p, after: q.query.Get("key-marker"), afterID: q.query.Get("upload-id-marker")}
	page.fill(all)
	out := uploadsAnswer{
		Xmlns: s3Namespace, Bucket: q.bucket, MaxUploads: p.limit, EncodingType: p.encoding,
		KeyMarker: p.text(page.after), UploadIDMarker: page.afterID, Prefix: p.text(p.prefix), Delimiter: p.optional(p.delimiter),
		IsTruncated: page.more, Upload: page.uploads, CommonPrefixes: page.prefixes,
	}
	if page.more {
		out.NextKeyMarker, out.NextUploadIDMarker = p.optional(page.last), page.lastID
	}
	return q.answer(out)
}

// An uploadsPage is a page of the list of uploads.
type uploadsPage struct {
	listing
	after, afterID string
	uploads        []uploadAnswer
	prefixes       []prefixAnswer
	last, lastID   string
	more           bool
}

// fill fills the page from all uploads, which must be sorted.
func (p *uploadsPage) fill(all []*upload) {
	group := ""
	for _, u := range all {
		key := string(u.Key)
		if !strings.HasPrefix(key, p.prefix) || p.before(u) || group != "" && strings.HasPrefix(key, group) {
			continue
		}
		if len(p.uploads)+len(p.prefixes) == p.limit {
			p.more = p.limit > 0
			return
		}
		var rolled bool
		if group, rolled = rollUp(key, p.prefix, p.delimiter); rolled {
			p.prefixes = append(p.prefixes, prefixAnswer{p.text(group)})
			p.last, p.lastID = group, ""
			continue
		}
		p.uploads = append(p.uploads, uploadAnswer{
			Key: p.text(key), UploadID: u.ID, Initiator: owner, Owner: owner, StorageClass: shownClass(u.Class), Initiated: shownTime(u.Modified),
			ChecksumAlgorithm: strings.ToUpper(u.Checksum.Algorithm), ChecksumType: u.Checksum.kind(),
		})
		p.last, p.lastID = key, u.ID
	}
}

// before reports whether an upload belongs to an earlier page. Without a key-marker, the upload-id-marker is ignored.
func (p *uploadsPage) before(u *upload) bool {
	key := string(u.Key)
	if key == p.after && p.afterID != "" {
		return u.ID <= p.afterID
	}
	group, rolled := rollUp(key, p.prefix, p.delimiter)
	return p.after != "" && (key <= p.after || rolled && group == p.after)
}
