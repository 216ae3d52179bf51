package s3fs

import (
	"bytes"
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// A rename sets the Content-Type for the extension of the new name.
func TestRenameChangesContentType(t *testing.T) {
	bothStores(t, func(t *testing.T, c *Client) {
		f := NewFS(c, Options{Bucket: "files"})
		for _, test := range []struct{ from, to, want string }{
			{"/photo.jpg.filepart", "/photo.jpg", "image/jpeg"},
			{"/.in.table.csv.", "/table.csv", "text/csv"},
			{"/page.html.2f3a51bc.partial", "/page.html", "text/html"},
			{"/notes.txt", "/notes.csv", "text/csv"},
			{"/notes.md", "/notes.unknown", "text/markdown; charset=utf-8"}, // nothing better is known
			{"/d.tmp", "/d.bin", ""},
		} {
			for _, size := range []int{5, large} {
				if _, err := f.Put(t.Context(), test.from, storetest.Source(bytes.NewReader(noise(size))), proxy.Write{}); err != nil {
					t.Fatal(err)
				}
				want := test.want
				if want == "" {
					want = aws.ToString(headOf(t, f, test.from[1:]).ContentType)
				}
				g := *f
				if _, err := inSmallParts(&g).Rename(t.Context(), test.from, test.to, true); err != nil {
					t.Fatal(err)
				}
				if got := aws.ToString(headOf(t, f, test.to[1:]).ContentType); got != want {
					t.Errorf("%s, renamed to %s, with %d bytes: %q, want %q", test.from, test.to, size, got, want)
				}
				checkObject(t, f, test.to[1:], noise(size))
			}
		}
	})
}

// A rename keeps a Content-Type that was set explicitly, and keeps all other headers when the type changes.
func TestRenameKeepsExplicitContentType(t *testing.T) {
	bothStores(t, func(t *testing.T, c *Client) {
		f := NewFS(c, Options{Bucket: "files"})
		putWithHeaders(t, f, "a.part", 10)
		want := copiedHeaders(t, f, "a.part")
		if _, err := f.Rename(t.Context(), "/a.part", "/a.jpg", true); err != nil {
			t.Fatal(err)
		}
		got := copiedHeaders(t, f, "a.jpg")
		if got["Expires"] == "" {
			delete(want, "Expires") // which MinIO loses in any copy
			delete(got, "Expires")
		}
		if !maps.Equal(got, want) {
			t.Errorf("after the rename %v\nwant %v", got, want)
		}
		_, err := f.api.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: &f.bucket, Key: aws.String("b.part"), Body: strings.NewReader("x"), CacheControl: aws.String("no-store"),
			ContentLanguage: aws.String("de"), Metadata: map[string]string{"mtime": "981173106"},
			StorageClass: types.StorageClassReducedRedundancy, Tagging: aws.String("team=a"),
		})
		if err != nil {
			t.Fatal(err)
		}
		want = copiedHeaders(t, f, "b.part")
		want["Content-Type"] = "image/jpeg"
		if _, err := f.Rename(t.Context(), "/b.part", "/b.jpg", true); err != nil {
			t.Fatal(err)
		}
		if got := copiedHeaders(t, f, "b.jpg"); !maps.Equal(got, want) {
			t.Errorf("after the rename %v\nwant %v", got, want)
		}
	})
}
