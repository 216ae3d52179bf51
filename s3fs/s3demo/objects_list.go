package s3demo

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"strings"
)

type objectsAnswer struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	Xmlns                 string   `xml:"xmlns,attr"`
	Name                  string
	Prefix                xmlText
	StartAfter            *xmlText
	Marker                *xmlText
	NextMarker            *xmlText
	ContinuationToken     string `xml:",omitempty"`
	NextContinuationToken string `xml:",omitempty"`
	KeyCount              *int
	MaxKeys               int
	Delimiter             *xmlText
	EncodingType          encoding `xml:",omitempty"`
	IsTruncated           bool
	Contents              []objectAnswer
	CommonPrefixes        []prefixAnswer
}

type objectAnswer struct {
	Key               xmlText
	LastModified      string
	ETag              string
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
	Size              int64
	Owner             *ownerAnswer
	StorageClass      string
}

// listObjects answers ListObjectsV2 and ListObjects.
func (q *request) listObjects() error {
	l, err := q.listing("max-keys", "prefix", "marker", "start-after")
	if err != nil {
		return err
	}
	v2 := q.query.Get("list-type") == "2"
	if !v2 && q.query.Get("list-type") != "" {
		return invalidArgument("list-type", q.query.Get("list-type"), "Invalid List Type specified in Request")
	}
	marker := q.query.Get("marker")
	if v2 {
		if marker, err = q.startAfter(); err != nil {
			return err
		}
	}
	out := objectsAnswer{
		Xmlns: s3Namespace, Name: q.bucket, MaxKeys: l.limit, EncodingType: l.encoding,
		Prefix: l.text(l.prefix), Delimiter: l.optional(l.delimiter),
	}
	withOwner := !v2 || q.query.Get("fetch-owner") == "true"
	p, err := q.objects(&out, l, marker, withOwner)
	if err != nil {
		return err
	}
	q.w.Header().Set("X-Amz-Bucket-Region", q.store.region())
	if !v2 {
		t := l.text(marker)
		out.Marker = &t
		if p.more && l.delimiter != "" {
			out.NextMarker = l.optional(p.last)
		}
		return q.answer(out)
	}
	count := len(out.Contents) + len(out.CommonPrefixes)
	out.KeyCount, out.StartAfter = &count, l.optional(q.query.Get("start-after"))
	out.ContinuationToken = q.query.Get("continuation-token")
	if p.more {
		out.NextContinuationToken = continuationToken(p.last)
	}
	return q.answer(out)
}

// objects fills out with the page after the marker.
func (q *request) objects(out *objectsAnswer, l listing, marker string, withOwner bool) (p page, err error) {
	q.store.mu.RLock()
	defer q.store.mu.RUnlock()
	b, err := q.store.bucket(q.bucket)
	if err != nil || l.limit == 0 {
		return p, err
	}
	p = list(b.current, l.prefix, l.delimiter, marker, l.limit)
	out.IsTruncated = p.more
	for _, group := range p.prefixes {
		out.CommonPrefixes = append(out.CommonPrefixes, prefixAnswer{l.text(group)})
	}
	for _, key := range p.keys {
		e := b.entries[key]
		o := objectAnswer{
			Key: l.text(key), LastModified: shownTime(e.modified), ETag: quoted(e.etag), Size: e.size, StorageClass: shownClass(e.class),
			ChecksumAlgorithm: strings.ToUpper(e.algorithm), ChecksumType: checksum{Algorithm: e.algorithm, Composite: e.composite}.kind(),
		}
		if withOwner {
			o.Owner = new(owner)
		}
		out.Contents = append(out.Contents, o)
	}
	return p, nil
}

// startAfter returns the key after which a ListObjectsV2 page begins.
func (q *request) startAfter() (string, error) {
	if !q.query.Has("continuation-token") {
		return q.query.Get("start-after"), nil
	}
	token := q.query.Get("continuation-token")
	key, ok := parseToken(token)
	if !ok {
		return "", invalidArgument("continuation-token", token, "The continuation token provided is incorrect")
	}
	return key, nil
}

const tokenSum = 9

// continuationToken returns the token for the page after a key. It is opaque for clients.
func continuationToken(key string) string {
	sum := sha256.Sum256([]byte("token:" + key))
	return base64.URLEncoding.EncodeToString(append(sum[:tokenSum], key...))
}

func parseToken(token string) (key string, ok bool) {
	raw, err := base64.URLEncoding.DecodeString(token)
	if err != nil || len(raw) < tokenSum {
		return "", false
	}
	key = string(raw[tokenSum:])
	sum := sha256.Sum256([]byte("token:" + key))
	return key, bytes.Equal(sum[:tokenSum], raw[:tokenSum])
}
