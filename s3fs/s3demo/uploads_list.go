package s3demo

import (
	"cmp"
	"encoding/xml"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rclone/gofakes3"
)

const (
	s3Namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
	s3Time      = "2006-01-02T15:04:05.000Z"
	largestPage = 1000
)

type uploadsAnswer struct {
	XMLName            xml.Name `xml:"ListMultipartUploadsResult"`
	Xmlns              string   `xml:"xmlns,attr"`
	Bucket             string
	KeyMarker          string
	UploadIDMarker     string `xml:"UploadIdMarker"`
	NextKeyMarker      string `xml:",omitempty"`
	NextUploadIDMarker string `xml:"NextUploadIdMarker,omitempty"`
	Prefix             string
	Delimiter          string `xml:",omitempty"`
	EncodingType       string `xml:",omitempty"`
	MaxUploads         int
	IsTruncated        bool
	Upload             []uploadAnswer
	CommonPrefixes     []prefixAnswer
}

type uploadAnswer struct {
	Key          string
	UploadID     string `xml:"UploadId"`
	Initiated    string
	StorageClass gofakes3.StorageClass
	Algorithm    string `xml:"ChecksumAlgorithm,omitempty"`
	Type         string `xml:"ChecksumType,omitempty"`
}

type prefixAnswer struct{ Prefix string }

// listUploads answers ListMultipartUploads: sorted by key, those of one key by the time when they began.
func (s *Store) listUploads(w http.ResponseWriter, bucketName string, q url.Values) {
	limit, err := pageSize(q.Get("max-uploads"))
	if err != nil {
		refuseWith(w, err)
		return
	}
	s.mu.RLock()
	b, err := s.bucket(bucketName)
	if err != nil {
		s.mu.RUnlock()
		refuseWith(w, err)
		return
	}
	all := slices.SortedFunc(maps.Values(b.uploads), func(a, b *upload) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.ID, b.ID))
	})
	s.mu.RUnlock()

	out := uploadsAnswer{
		Xmlns: s3Namespace, Bucket: bucketName, MaxUploads: limit,
		KeyMarker: q.Get("key-marker"), UploadIDMarker: q.Get("upload-id-marker"),
		Prefix: q.Get("prefix"), Delimiter: q.Get("delimiter"), EncodingType: q.Get("encoding-type"),
	}
	out.fill(all)
	out.encode()
	answer(w, out)
}

// fill takes the page that was asked for from all uploads in their order.
func (a *uploadsAnswer) fill(all []*upload) {
	group := ""
	for _, u := range all {
		key := string(u.Key)
		if !strings.HasPrefix(key, a.Prefix) || a.before(u) || group != "" && strings.HasPrefix(key, group) {
			continue
		}
		if len(a.Upload)+len(a.CommonPrefixes) == a.MaxUploads {
			a.IsTruncated = true
			return
		}
		var rolled bool
		if group, rolled = rollUp(key, a.Prefix, a.Delimiter); rolled {
			a.CommonPrefixes = append(a.CommonPrefixes, prefixAnswer{group})
			a.NextKeyMarker, a.NextUploadIDMarker = group, ""
			continue
		}
		a.Upload = append(a.Upload, u.answer())
		a.NextKeyMarker, a.NextUploadIDMarker = key, u.ID
	}
}

// before reports whether an upload belongs to an earlier page.
func (a *uploadsAnswer) before(u *upload) bool {
	key := string(u.Key)
	if key == a.KeyMarker && a.UploadIDMarker != "" {
		return u.ID <= a.UploadIDMarker
	}
	group, rolled := rollUp(key, a.Prefix, a.Delimiter)
	return a.KeyMarker != "" && (key <= a.KeyMarker || rolled && group == a.KeyMarker)
}

func (u *upload) answer() uploadAnswer {
	a := uploadAnswer{
		Key: string(u.Key), UploadID: u.ID, Initiated: u.Began.Format(s3Time),
		StorageClass: gofakes3.StorageStandard, Algorithm: strings.ToUpper(u.Algorithm),
	}
	if u.Algorithm != "" {
		a.Type = u.checksumType()
	}
	return a
}

func (u *upload) checksumType() string {
	if u.Composite {
		return "COMPOSITE"
	}
	return "FULL_OBJECT"
}

// encode makes keys fit for XML, if the client wants that, and leaves the markers out where no page follows.
func (a *uploadsAnswer) encode() {
	if !a.IsTruncated {
		a.NextKeyMarker, a.NextUploadIDMarker = "", ""
	}
	if a.EncodingType != "url" {
		return
	}
	for _, s := range []*string{&a.KeyMarker, &a.NextKeyMarker, &a.Prefix, &a.Delimiter} {
		*s = gofakes3.URLEncode(*s)
	}
	for i := range a.Upload {
		a.Upload[i].Key = gofakes3.URLEncode(a.Upload[i].Key)
	}
	for i := range a.CommonPrefixes {
		a.CommonPrefixes[i].Prefix = gofakes3.URLEncode(a.CommonPrefixes[i].Prefix)
	}
}

// pageSize reads max-uploads and max-parts.
func pageSize(text string) (int, error) {
	if text == "" {
		return largestPage, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, gofakes3.ErrorMessage(gofakes3.ErrInvalidArgument, "The size of a page is a number from 0 to 1000.")
	}
	return min(n, largestPage), nil
}
