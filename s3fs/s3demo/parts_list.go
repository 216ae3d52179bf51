package s3demo

import (
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rclone/gofakes3"
)

type partsAnswer struct {
	XMLName              xml.Name `xml:"ListPartsResult"`
	Xmlns                string   `xml:"xmlns,attr"`
	Bucket               string
	Key                  string
	UploadID             string `xml:"UploadId"`
	StorageClass         gofakes3.StorageClass
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
	Checksum     *checksumAnswer
}

// checksumAnswer is an element whose name depends on the algorithm.
type checksumAnswer struct {
	XMLName xml.Name
	Value   string `xml:",chardata"`
}

// listParts answers ListParts: sorted by number, those after the marker.
func (s *Store) listParts(w http.ResponseWriter, bucketName, key string, q url.Values) {
	limit, err := pageSize(q.Get("max-parts"))
	marker, markerErr := strconv.Atoi(q.Get("part-number-marker"))
	if err == nil && markerErr != nil && q.Get("part-number-marker") != "" {
		err = gofakes3.ErrorMessage(gofakes3.ErrInvalidArgument, "The marker is the number of a part.")
	}
	if err != nil {
		refuseWith(w, err)
		return
	}
	out := partsAnswer{
		Xmlns: s3Namespace, Bucket: bucketName, Key: key, UploadID: q.Get("uploadId"),
		StorageClass: gofakes3.StorageStandard, PartNumberMarker: marker, MaxParts: limit,
	}
	s.mu.RLock()
	_, u, err := s.upload(bucketName, key, out.UploadID)
	if err == nil {
		out.fill(u)
	}
	s.mu.RUnlock()
	if err != nil {
		refuseWith(w, err)
		return
	}
	answer(w, out)
}

// fill takes the page that was asked for.
func (a *partsAnswer) fill(u *upload) {
	element := "Checksum" + strings.ToUpper(u.Algorithm)
	if u.Algorithm != "" {
		a.ChecksumAlgorithm, a.ChecksumType = strings.ToUpper(u.Algorithm), u.checksumType()
	}
	for _, number := range slices.Sorted(maps.Keys(u.parts)) {
		if number <= a.PartNumberMarker {
			continue
		}
		if len(a.Part) == a.MaxParts {
			a.IsTruncated = true
			return
		}
		p := u.parts[number]
		item := partAnswer{PartNumber: number, LastModified: p.Modified.Format(s3Time), ETag: quoted(p.ETag), Size: p.Piece.Size}
		if p.Checksum != "" {
			item.Checksum = &checksumAnswer{XMLName: xml.Name{Local: element}, Value: p.Checksum}
		}
		a.Part, a.NextPartNumberMarker = append(a.Part, item), number
	}
}

// answer sends a document.
func answer(w http.ResponseWriter, document any) {
	w.Header().Set("Content-Type", "application/xml")
	fmt.Fprint(w, xml.Header)
	_ = xml.NewEncoder(w).Encode(document) // all that can fail is the connection
}
