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
	largestPage = 1000
)

// answer sends a document.
func (q *request) answer(document any) error {
	q.w.Header().Set("Content-Type", "application/xml")
	fmt.Fprint(q.w, xml.Header)
	_ = xml.NewEncoder(q.w).Encode(document) // all that can fail is the connection
	return nil
}

// maxDocument limits the documents that clients send; the longest is a list of 10,000 parts.
const maxDocument = 8 << 20

// document reads the body of a request that must come with a digest of it into v.
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

// decode reads the body, which is XML, into v.
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

// xmlText is text of an element as it goes over the wire. Keys may have characters that XML 1.0 cannot hold; S3 sends
// those as references, which many parsers refuse.
type xmlText struct {
	Raw string `xml:",innerxml"`
}

// escapeText escapes what is not plain text in XML, control characters too.
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

// text returns a key, prefix or marker as a listing shows it.
func (e encoding) text(s string) xmlText {
	if e == "" {
		return xmlText{escapeText(s)}
	}
	r := strings.NewReplacer("%2F", "/", "%2A", "*", "~", "%7E")
	return xmlText{r.Replace(url.QueryEscape(s))}
}

// optional is text for an element that is left out when s is empty.
func (e encoding) optional(s string) *xmlText {
	if s == "" {
		return nil
	}
	t := e.text(s)
	return &t
}

// pageSize reads max-keys, max-uploads or max-parts.
func pageSize(q url.Values, name string) (int, error) {
	text := q.Get(name)
	if text == "" {
		return largestPage, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, invalidArgument(name, text, "Provided "+name+" not an integer or within integer range")
	}
	if n < 0 {
		return 0, invalidArgument(name, text, "Argument "+name+" must be an integer between 0 and 2147483647")
	}
	return min(int(n), largestPage), nil
}

func quoted(etag string) string { return `"` + etag + `"` }
