package s3demo

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
)

type attributesAnswer struct {
	XMLName      xml.Name `xml:"GetObjectAttributesResponse"`
	Xmlns        string   `xml:"xmlns,attr"`
	ETag         string   `xml:",omitempty"`
	Checksum     *attributesChecksum
	ObjectParts  *attributesParts
	StorageClass string `xml:",omitempty"`
	ObjectSize   *int64
}

type attributesChecksum struct {
	Sum          *checksumElement
	ChecksumType string
}

type attributesParts struct {
	TotalPartsCount int `xml:"PartsCount"`
}

var attributes = []string{"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"}

// getObjectAttributes answers GetObjectAttributes, without the list of parts.
func (q *request) getObjectAttributes() error {
	v, _, err := q.lookUp()
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, header := range q.r.Header.Values("X-Amz-Object-Attributes") {
		for name := range strings.SplitSeq(header, ",") {
			if name = strings.TrimSpace(name); !slices.Contains(attributes, name) {
				return invalidArgument("x-amz-object-attributes", name, "Invalid attribute name specified.")
			}
			wanted[name] = true
		}
	}
	if len(wanted) == 0 {
		return invalidArgument("x-amz-object-attributes", "", "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty")
	}
	out := attributesAnswer{Xmlns: s3Namespace}
	if wanted["ETag"] {
		out.ETag = v.ETag // without quotes, as S3 has it
	}
	if wanted["Checksum"] && v.Checksum.Algorithm != "" {
		out.Checksum = &attributesChecksum{v.Checksum.element(), v.Checksum.kind()}
	}
	if wanted["ObjectParts"] && v.Upload != "" {
		out.ObjectParts = &attributesParts{len(v.Pieces)}
	}
	if wanted["StorageClass"] {
		out.StorageClass = shownClass(v.Class)
	}
	if wanted["ObjectSize"] {
		size := v.size()
		out.ObjectSize = &size
	}
	q.w.Header().Set("Last-Modified", v.Modified.Format(http.TimeFormat))
	q.setVersionID(q.shownID(v))
	return q.answer(out)
}
