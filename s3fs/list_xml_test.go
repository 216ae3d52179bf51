package s3fs

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

const listing = `<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>d/</Prefix><KeyCount>3</KeyCount>
 <MaxKeys>1000</MaxKeys><Delimiter>/</Delimiter><IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b=</NextContinuationToken>
 <Contents><Key>d/a%20b+c%2B&amp;</Key><LastModified>2026-11-22T15:04:05.678Z</LastModified><ETag>&quot;0123&quot;</ETag><Size>12345678901</Size>
  <Owner><ID>x</ID><DisplayName>y</DisplayName></Owner><StorageClass>STANDARD_IA</StorageClass></Contents>
 <Contents><Key>d/z</Key><LastModified>2026-11-22T15:04:05Z</LastModified><ETag>"4567-2"</ETag><Size>0</Size></Contents>
 <CommonPrefixes><Prefix>d/sub%0A/</Prefix></CommonPrefixes><EncodingType>url</EncodingType>
</ListBucketResult>
`

func TestParseListing(t *testing.T) {
	want := page{
		objects: []object{
			{key: "d/a b c+&", size: 12345678901, mtime: time.Date(2026, 11, 22, 15, 4, 5, 678e6, time.UTC), etag: "0123", class: "STANDARD_IA"},
			{key: "d/z", mtime: time.Date(2026, 11, 22, 15, 4, 5, 0, time.UTC), etag: "4567-2"},
		},
		dirs: []string{"d/sub\n/"},
		next: "a&b=",
	}
	var got page
	if err := got.parse(listing); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v\nwant %+v", got, err, want)
	}
	plain := strings.Replace(strings.Replace(listing, "<EncodingType>url</EncodingType>", "", 1), "true", "false", 1)
	if err := got.parse(plain); err != nil || got.objects[0].key != "d/a%20b+c%2B&" || got.next != "" {
		t.Errorf("as it is: %+v, %v", got, err)
	}
	if err := got.parse("<ListBucketResult/>"); err != nil || len(got.objects) != 0 {
		t.Errorf("empty: %+v, %v", got, err)
	}
}

func TestParseInvalidListing(t *testing.T) {
	for _, text := range []string{
		"", "no XML", "<html></html>", listing[:len(listing)/2], strings.TrimSuffix(listing, "</ListBucketResult>\n"),
		strings.Replace(listing, "12345678901", "many", 1), strings.Replace(listing, "15:04:05.678Z", "noon", 1),
		strings.Replace(listing, "%20", "%zz", 1), strings.ReplaceAll(listing, "ListBucketResult", "s3:ListBucketResult"),
		strings.Replace(listing, "&amp;", "&nonsense;", 2),
	} {
		var p page
		if err := p.parse(text); err == nil {
			t.Errorf("%.60q: no error, %+v", text, p)
		}
	}
}

func FuzzParseListing(f *testing.F) {
	f.Add(listing)
	f.Add("<a></a>")
	f.Add("<></>")
	f.Add("< ></ >")
	f.Fuzz(func(t *testing.T, text string) {
		var p page
		if err := p.parse(text); err == nil && !strings.Contains(text, "<") {
			t.Errorf("%q was taken for a listing: %+v", text, p)
		}
	})
}
