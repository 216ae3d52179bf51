package s3demo

import (
	"cmp"
	"encoding/xml"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

type bucketsAnswer struct {
	XMLName xml.Name `xml:"ListAllMyBucketsResult"`
	Xmlns   string   `xml:"xmlns,attr"`
	Owner   ownerAnswer
	Buckets []bucketAnswer `xml:"Buckets>Bucket"`
}

type bucketAnswer struct {
	Name         string
	CreationDate string
}

// listBuckets answers ListBuckets, in one page.
func (q *request) listBuckets() error {
	out := bucketsAnswer{Xmlns: s3Namespace, Owner: owner}
	q.store.mu.RLock()
	all := slices.SortedFunc(maps.Values(q.store.buckets), func(a, b *bucket) int { return cmp.Compare(a.name, b.name) })
	q.store.mu.RUnlock()
	for _, b := range all {
		if strings.HasPrefix(b.name, q.query.Get("prefix")) {
			out.Buckets = append(out.Buckets, bucketAnswer{b.name, b.created.UTC().Format(s3Time)})
		}
	}
	return q.answer(out)
}

// region returns the region of the buckets.
func (s *Store) region() string { return cmp.Or(s.options.Region, "us-east-1") }

// headBucket answers HeadBucket.
func (q *request) headBucket() error {
	if err := q.requireBucket(); err != nil {
		return err
	}
	q.w.Header().Set("X-Amz-Bucket-Region", q.store.region())
	q.w.Header().Set("Content-Type", "application/xml")
	return nil
}

// getLocation answers GetBucketLocation, in which us-east-1 has no name.
func (q *request) getLocation() error {
	if err := q.requireBucket(); err != nil {
		return err
	}
	name := q.store.region()
	if name == "us-east-1" {
		name = ""
	}
	return q.answer(struct {
		XMLName xml.Name `xml:"LocationConstraint"`
		Xmlns   string   `xml:"xmlns,attr"`
		Name    string   `xml:",chardata"`
	}{Xmlns: s3Namespace, Name: name})
}

var (
	bucketNames = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	ipAddresses = regexp.MustCompile(`^\d+\.\d+\.\d+\.\d+$`)
)

// validBucketName reports whether a name is valid in S3.
func validBucketName(name string) bool {
	return bucketNames.MatchString(name) && !ipAddresses.MatchString(name) && !strings.Contains(name, "..") &&
		!strings.HasPrefix(name, "xn--") && !strings.HasSuffix(name, "-s3alias")
}

// createBucket answers CreateBucket.
func (q *request) createBucket() error {
	if !validBucketName(q.bucket) {
		return refuse("InvalidBucketName", "BucketName", q.bucket)
	}
	q.store.mu.Lock()
	defer q.store.mu.Unlock()
	if q.store.buckets[q.bucket] != nil {
		return refuse("BucketAlreadyOwnedByYou", "BucketName", q.bucket)
	}
	q.w.Header().Set("Location", "/"+q.bucket)
	return q.store.addBucket(q.bucket)
}

// deleteBucket answers DeleteBucket. It aborts the open uploads in the bucket.
func (q *request) deleteBucket() error {
	s := q.store
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(q.bucket)
	if err != nil {
		return err
	}
	if len(b.versioned) > 0 {
		return refuse("BucketNotEmpty", "BucketName", q.bucket)
	}
	if err := s.removeDir(b.dir); err != nil {
		return err
	}
	delete(s.buckets, q.bucket)
	for _, u := range b.uploads {
		s.contents.release(u.pieces())
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

type versioningDocument struct {
	XMLName xml.Name `xml:"VersioningConfiguration"`
	Xmlns   string   `xml:"xmlns,attr,omitempty"`
	Status  string   `xml:",omitempty"`
}

// getVersioning answers GetBucketVersioning.
func (q *request) getVersioning() error {
	q.store.mu.RLock()
	defer q.store.mu.RUnlock()
	b, err := q.store.bucket(q.bucket)
	if err != nil {
		return err
	}
	return q.answer(versioningDocument{Xmlns: s3Namespace, Status: b.settings.Versioning})
}

// configure saves the settings of a bucket. The caller has locked s.mu.
func (s *Store) configure(b *bucket, changed settings) error {
	if err := save(s.path("tmp"), b.settingsFile(), changed); err != nil {
		return err
	}
	b.settings = changed
	return nil
}

// putVersioning answers PutBucketVersioning.
func (q *request) putVersioning() error {
	var in versioningDocument
	if err := q.document(&in); err != nil {
		return err
	}
	if in.Status == "" {
		return refuse("IllegalVersioningConfigurationException")
	}
	if in.Status != "Enabled" && in.Status != "Suspended" {
		return refuse("MalformedXML")
	}
	q.store.mu.Lock()
	defer q.store.mu.Unlock()
	b, err := q.store.bucket(q.bucket)
	if err != nil {
		return err
	}
	changed := b.settings
	changed.Versioning = in.Status
	return q.store.configure(b, changed)
}
