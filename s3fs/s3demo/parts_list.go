package s3demo

import (
	"encoding/xml"
	"maps"
	"slices"
	"strconv"
	"strings"
)

type partsAnswer struct {
	XMLName              xml.Name `xml:"ListPartsResult"`
	Xmlns                string   `xml:"xmlns,attr"`
	Bucket               string
	Key                  xmlText
	UploadID             string `xml:"UploadId"`
	Initiator            ownerAnswer
	Owner                ownerAnswer
	StorageClass         string
	PartNumberMarker     int
	NextPartNumberMarker int
	MaxParts             int
	IsTruncated          bool
	ChecksumAlgorithm    string `xml:",omitempty"`
	ChecksumType         string `xml:",omitempty"`
	Part                 []partAnswer
}

type partAnswer struct {
	PartNumber   int
	LastModified string
	ETag         string
	Size         int64
	Checksum     *checksumElement
}

// listParts answers ListParts: the parts after the marker, sorted by number.
func (q *request) listParts() error {
	enc, err := parseEncoding(q.query)
	if err != nil {
		return err
	}
	limit, err := pageSize(q.query, "max-parts")
	if err != nil {
		return err
	}
	const marker = "part-number-marker"
	after, err := strconv.Atoi(q.query.Get(marker))
	if q.query.Get(marker) != "" && (err != nil || after < 0) {
		return invalidArgument(marker, q.query.Get(marker), "Provided part-number-marker not an integer or within integer range")
	}
	out := partsAnswer{
		Xmlns: s3Namespace, Bucket: q.bucket, Key: enc.text(q.key), UploadID: q.query.Get("uploadId"),
		Initiator: owner, Owner: owner, PartNumberMarker: after, MaxParts: limit,
	}
	q.store.mu.RLock()
	_, u, err := q.findUpload()
	if err == nil {
		out.fill(u)
	}
	q.store.mu.RUnlock()
	if err != nil {
		return err
	}
	return q.answer(out)
}

// fill adds the parts of the page.
func (a *partsAnswer) fill(u *upload) {
	a.StorageClass = shownClass(u.Class)
	a.ChecksumAlgorithm, a.ChecksumType = strings.ToUpper(u.Checksum.Algorithm), u.Checksum.kind()
	for _, number := range slices.Sorted(maps.Keys(u.parts)) {
		if number <= a.PartNumberMarker {
			continue
		}
		if len(a.Part) == a.MaxParts {
			a.IsTruncated = a.MaxParts > 0
			return
		}
		p := u.parts[number]
		a.Part = append(a.Part, partAnswer{
			PartNumber: number, LastModified: shownTime(p.Modified), ETag: quoted(p.ETag), Size: p.Piece.Size,
			Checksum: checksum{Algorithm: u.Checksum.Algorithm, Value: p.Checksum}.element(),
		})
		a.NextPartNumberMarker = number
	}
}
