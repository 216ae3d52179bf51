package s3demo

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
)

const (
	s3Namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
	s3Time      = "2006-01-02T15:04:05.000Z"
	maxPageSize = 1000
)

// answer sends an XML document.
func (q *request) answer(document any) error {
	q.w.Header().Set("Content-Type", "application/xml")
	fmt.Fprint(q.w, xml.Header)
	_ = xml.NewEncoder(q.w).Encode(document) // only the connection can fail
	return nil
}

// maxDocument limits the size of request documents. The longest is a list of 10,000 parts.
const maxDocument = 8 << 20

// document decodes the body of a request into v. The request must have a digest of its body.
func (q *request) document(v any) error {
	body, err := q.body(true)
	if err != nil {
		return err
	}
	if !body.digests {
		return invalidRequest("Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
	}
	return body.decode(v)
}

// decode decodes the XML of the body into v.
func (p *payload) decode(v any) error {
	body, err := io.ReadAll(io.LimitReader(p, maxDocument+1))
	switch {
	case err != nil:
		return err
	case len(body) > maxDocument:
		return refuse("MaxMessageLengthExceeded", "MaxMessageLengthBytes", fmt.Sprint(maxDocument))
	case xml.Unmarshal(body, v) != nil:
		return refuse("MalformedXML")
	}
	return nil
}

// xmlText is the escaped text of an element. Keys may contain characters that XML 1.0 does not allow; S3 sends them as
// character references, which many parsers refuse.
type xmlText struct {
	Raw string `xml:",innerxml"`
}

// escapeText escapes text for XML, including control characters.
func escapeText(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '"':
			b.WriteString("&quot;")
		case r < ' ' || r == 0xfffe || r == 0xffff:
			fmt.Fprintf(&b, "&#x%x;", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// An encoding is the value of encoding-type: "" or "url".
type encoding string

func parseEncoding(q url.Values) (encoding, error) {
	e := q.Get("encoding-type")
	if e != "" && e != "url" {
		return "", invalidArgument("encoding-type", e, "Invalid Encoding Method specified in Request")
	}
	return encoding(e), nil
}

// text encodes a key, prefix or marker for a listing.
func (e encoding) text(s string) xmlText {
	if e == "" {
		return xmlText{escapeText(s)}
	}
	r := strings.NewReplacer("%2F", "/", "%2A", "*", "~", "%7E")
	return xmlText{r.Replace(url.QueryEscape(s))}
}

// optional is text for an element that is omitted if s is empty.
func (e encoding) optional(s string) *xmlText {
	if s == "" {
		return nil
	}
	t := e.text(s)
	return &t
}

// pageSize parses max-keys, max-uploads or max-parts.
func pageSize(q url.Values, name string) (int, error) {
	text := q.Get(name)
	if text == "" {
		return maxPageSize, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, invalidArgument(name, text, "Provided "+name+" not an integer or within integer range")
	}
	if n < 0 {
		return 0, invalidArgument(name, text, "Argument "+name+" must be an integer between 0 and 2147483647")
	}
	return min(int(n), maxPageSize), nil
}

func quoted(etag string) string { return `"` + etag + `"` }
