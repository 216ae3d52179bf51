package s3demo

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	metaPrefix      = "X-Amz-Meta-"
	maxMetaSize     = 2 << 10
	defaultType     = "binary/octet-stream"
	standardClass   = "STANDARD"
	maxTags         = 10
	maxTagKeySize   = 128
	maxTagValueSize = 256
)

// storedHeaders are the headers that are stored with an object, besides its user metadata.
var storedHeaders = []string{
	"Content-Type", "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Expires",
	"X-Amz-Website-Redirect-Location",
}

func isStoredHeader(name string) bool {
	return slices.Contains(storedHeaders, name) || strings.HasPrefix(name, metaPrefix)
}

// newVersion returns a version with the metadata, storage class, encryption and tags of the request.
func (q *request) newVersion() (*version, error) {
	h := q.r.Header
	v := &version{Meta: map[string]escaped{}}
	size := 0
	for name := range h {
		if !isStoredHeader(name) {
			continue
		}
		value := strings.Join(h[name], ",")
		if user, ok := strings.CutPrefix(name, metaPrefix); ok {
			size += len(user) + len(value)
		}
		if name == "Content-Encoding" {
			value = withoutChunked(value)
		}
		if value != "" || strings.HasPrefix(name, metaPrefix) {
			v.Meta[name] = escaped(value)
		}
	}
	if size > maxMetaSize {
		return nil, refuse("MetadataTooLarge", "Size", fmt.Sprint(size), "MaxSizeAllowed", fmt.Sprint(maxMetaSize))
	}
	if err := checkACL(h); err != nil {
		return nil, err
	}
	var err error
	if v.Class, err = storageClass(h); err != nil {
		return nil, err
	}
	if v.Encryption, err = wantedEncryption(h); err != nil {
		return nil, err
	}
	v.Tags, err = parseTagging(h)
	return v, err
}

// withoutChunked removes aws-chunked, which is an encoding of the request only.
func withoutChunked(encodings string) string {
	var result []string
	for e := range strings.SplitSeq(encodings, ",") {
		if e = strings.TrimSpace(e); e != "aws-chunked" && e != "" {
			result = append(result, e)
		}
	}
	return strings.Join(result, ",")
}

// classes are the storage classes of general purpose buckets.
var classes = []string{
	standardClass, "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "DEEP_ARCHIVE", "GLACIER_IR",
}

// storageClass parses the storage class of a request; "" = STANDARD.
func storageClass(h http.Header) (string, error) {
	class := h.Get("X-Amz-Storage-Class")
	if class == "" || class == standardClass {
		return "", nil
	}
	if !slices.Contains(classes, class) {
		return "", refuse("InvalidStorageClass", "StorageClassRequested", class)
	}
	return class, nil
}

// shownClass returns a storage class for listings.
func shownClass(class string) string { return cmp.Or(class, standardClass) }

// archived reports whether objects of the class must be restored before they can be read.
func archived(class string) bool { return class == "GLACIER" || class == "DEEP_ARCHIVE" }

// An encryption is the server-side encryption of an object. This store stores and returns it, but does not encrypt.
type encryption struct {
	Algorithm string `json:"algorithm,omitempty"` // "" = AES256
	Key       string `json:"key,omitempty"`       // the ID of the KMS key
	BucketKey bool   `json:"bucketKey,omitempty"`
}

const (
	encryptionHeader = "X-Amz-Server-Side-Encryption"
	defaultKMSKey    = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000"
)

// wantedEncryption parses the server-side encryption of a request.
func wantedEncryption(h http.Header) (encryption, error) {
	if h.Get(encryptionHeader+"-Customer-Algorithm") != "" {
		return encryption{}, invalidRequest("Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.")
	}
	name, key := h.Get(encryptionHeader), h.Get(encryptionHeader+"-Aws-Kms-Key-Id")
	switch name {
	case "", "AES256":
		if key != "" {
			return encryption{}, invalidArgument("x-amz-server-side-encryption", name,
				"Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms")
		}
		return encryption{}, nil
	case "aws:kms", "aws:kms:dsse":
		bucketKey := strings.EqualFold(h.Get(encryptionHeader+"-Bucket-Key-Enabled"), "true")
		return encryption{name, cmp.Or(key, defaultKMSKey), bucketKey}, nil
	}
	return encryption{}, invalidArgument("x-amz-server-side-encryption", name, "The encryption method specified is not supported")
}

// opaque reports whether ETags with this encryption are not MD5 digests.
func (e encryption) opaque() bool { return e.Algorithm != "" }

// set sets the encryption headers of a response.
func (e encryption) set(h http.Header) {
	h.Set(encryptionHeader, cmp.Or(e.Algorithm, "AES256"))
	if e.Key != "" {
		h.Set(encryptionHeader+"-Aws-Kms-Key-Id", e.Key)
	}
	if e.BucketKey {
		h.Set(encryptionHeader+"-Bucket-Key-Enabled", "true")
	}
}

// A tag is a key and a value of an object's tag set.
type tag struct{ Key, Value string }

// parseTagging checks x-amz-tagging, and returns the tags in the form of that header.
func parseTagging(h http.Header) (escaped, error) {
	header := h.Get("X-Amz-Tagging")
	var tags []tag
	for pair := range strings.SplitSeq(header, "&") {
		if header == "" {
			break
		}
		name, value, _ := strings.Cut(pair, "=")
		key, keyErr := url.QueryUnescape(name)
		value, err := url.QueryUnescape(value)
		if keyErr != nil || err != nil || key == "" || slices.ContainsFunc(tags, func(t tag) bool { return t.Key == key }) {
			return "", invalidArgument("x-amz-tagging", header,
				"The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
		}
		tags = append(tags, tag{key, value})
	}
	return formatTags(tags)
}

// formatTags checks a tag set, and returns it in the form of x-amz-tagging.
// Source: Amazon S3 User Guide, "Categorizing your objects using tags".
func formatTags(tags []tag) (escaped, error) {
	if len(tags) > maxTags {
		return "", refuse("InvalidTag").withMessage("Object tags cannot be greater than %d", maxTags)
	}
	var pairs []string
	seen := map[string]bool{}
	for _, t := range tags {
		switch {
		case t.Key == "" || utf8.RuneCountInString(t.Key) > maxTagKeySize || !validTag(t.Key):
			return "", refuse("InvalidTag", "TagKey", t.Key).withMessage("The TagKey you have provided is invalid")
		case utf8.RuneCountInString(t.Value) > maxTagValueSize || !validTag(t.Value):
			return "", refuse("InvalidTag", "TagKey", t.Key, "TagValue", t.Value).withMessage("The TagValue you have provided is invalid")
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return "", refuse("InvalidTag").withMessage("System tags cannot be added/updated by requester")
		case seen[t.Key]:
			return "", refuse("InvalidTag", "TagKey", t.Key).withMessage("Cannot provide multiple Tags with the same key")
		}
		seen[t.Key] = true
		pairs = append(pairs, url.QueryEscape(t.Key)+"="+url.QueryEscape(t.Value))
	}
	return escaped(strings.Join(pairs, "&")), nil
}

// validTag reports whether a tag's key or value has only letters, digits, spaces and + - = . _ : / @.
func validTag(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsNumber(r) && !strings.ContainsRune(" +-=._:/@", r)
	})
}

// tagsOf is the inverse of formatTags.
func tagsOf(text escaped) (tags []tag) {
	for pair := range strings.SplitSeq(string(text), "&") {
		if key, value, ok := strings.Cut(pair, "="); ok {
			key, _ = url.QueryUnescape(key)
			value, _ = url.QueryUnescape(value)
			tags = append(tags, tag{key, value})
		}
	}
	return tags
}
