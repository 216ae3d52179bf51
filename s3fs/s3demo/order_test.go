package s3demo_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// An openUpload is an upload that is ready to be completed.
type openUpload struct {
	id      string
	content []byte
	parts   []types.CompletedPart
}

// upload creates an upload of "k" and uploads its part.
func (o *open) upload(content string) openUpload {
	o.t.Helper()
	id := o.begin("k")
	return openUpload{id, []byte(content), []types.CompletedPart{o.part("k", id, 1, []byte(content))}}
}

// finish completes an upload, which must succeed.
func (o *open) finish(u openUpload) *s3.CompleteMultipartUploadOutput {
	o.t.Helper()
	out, err := o.CompleteMultipartUpload(o.t.Context(), &s3.CompleteMultipartUploadInput{
		Bucket: aws.String(bucketName), Key: aws.String("k"), UploadId: &u.id, MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts},
	})
	if err != nil {
		o.t.Fatalf("CompleteMultipartUpload: %v", err)
	}
	if out.ETag == nil || *out.ETag == "" {
		o.t.Error("CompleteMultipartUpload: no ETag")
	}
	return out
}

// Without versioning, the write that began last wins. An older upload can be completed, but its object is never visible.
// Source: User Guide, mpuoverview, "Concurrent multipart upload operations".
func TestOrderOfUploads(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(o *open) // between the initiation of the upload and its completion
		want      string        // "" = no object
	}{
		"nothing":                      {func(*open) {}, "older"},
		"a put":                        {func(o *open) { o.put("k", []byte("put")) }, "put"},
		"a put of another key":         {func(o *open) { o.put("other", []byte("put")) }, "older"},
		"an upload that began later":   {func(o *open) { o.finish(o.upload("newer")) }, "newer"},
		"a deletion":                   {func(o *open) { o.remove("k") }, ""},
		"a put and a deletion":         {func(o *open) { o.put("k", nil); o.remove("k") }, ""},
		"a deletion and a put":         {func(o *open) { o.remove("k"); o.put("k", []byte("put")) }, "put"},
		"a deletion of many":           {func(o *open) { o.removeAll("k") }, ""},
		"a copy":                       {func(o *open) { o.put("source", []byte("copy")); o.copy("source", "k") }, "copy"},
		"an upload that was aborted":   {func(o *open) { o.aborted() }, "older"},
		"an upload that is still open": {func(o *open) { o.upload("open") }, "older"},
	} {
		for _, restarted := range []bool{false, true} {
			o := start(t)
			u := o.upload("older")
			c.meanwhile(o)
			if restarted {
				o = o.restart()
			}
			o.finish(u)
			if restarted {
				o = o.restart()
			}
			got := ""
			if slices.Contains(o.keys("", 1000), "k") {
				got = string(o.get("k"))
			}
			if got != c.want {
				t.Errorf("%s, restarted %t: the object is %q, want %q", name, restarted, got, c.want)
			}
			o.put("k", []byte("last"))
			if got := string(o.get("k")); got != "last" {
				t.Errorf("%s: after another put the object is %q", name, got)
			}
		}
	}
}

// An object that is never visible leaves no files.
func TestOutrankedUploadLeavesNothing(t *testing.T) {
	o := start(t)
	u, aborted := o.upload("older"), o.upload("aborted")
	o.remove("k")
	o.finish(u)
	if err := o.abort(aborted.id); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"content", "tmp", "buckets/bucket/objects", "buckets/bucket/uploads"} {
		if left := o.files(dir); len(left) != 0 {
			t.Errorf("%s: %q", dir, left)
		}
	}
	if err := o.removeBucket(); err != nil {
		t.Error(err)
	}
}

// With versioning, an object of an upload is ordered by the initiation of the upload.
func TestOrderOfVersions(t *testing.T) {
	o := start(t)
	o.versioning("Enabled")
	first := o.upload("first")
	second := o.upload("second")
	third := o.put("k", []byte("third"))
	last := o.upload("last")
	o.finish(last)
	o.finish(second)
	done := o.finish(first)
	o = o.restart()
	var got []string
	versions := o.versions(1000)
	for _, v := range versions {
		content := o.get("k", func(in *s3.GetObjectInput) { in.VersionId = v.VersionId })
		got = append(got, string(content))
		if *v.IsLatest != (len(got) == 1) {
			t.Errorf("%s: IsLatest %t", content, *v.IsLatest)
		}
	}
	if !slices.Equal(got, []string{"last", "third", "second", "first"}) {
		t.Errorf("versions: %q", got)
	}
	if *versions[3].VersionId != *done.VersionId || *versions[1].VersionId != *third.VersionId {
		t.Error("the IDs are others than those in the answers")
	}
	if got := string(o.get("k")); got != "last" {
		t.Errorf("the current version is %q", got)
	}
}

// A delete marker that is newer than the initiation stays the current version.
func TestDeletionOutranksUploadOfVersionedBucket(t *testing.T) {
	o := start(t)
	o.versioning("Enabled")
	u := o.upload("older")
	o.remove("k")
	done := o.finish(u)
	if got := o.keys("", 1000); len(got) != 0 {
		t.Errorf("objects: %q", got)
	}
	if got := o.get("k", func(in *s3.GetObjectInput) { in.VersionId = done.VersionId }); !bytes.Equal(got, u.content) {
		t.Errorf("the version is %q", got)
	}
}

// LastModified of an object is the time of the initiation.
func TestTimeOfUpload(t *testing.T) {
	o := start(t)
	u := o.upload("content")
	list, err := o.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(bucketName)})
	if err != nil {
		t.Fatal(err)
	}
	o.finish(u)
	if got, want := *o.head("k").LastModified, *list.Uploads[0].Initiated; !got.Equal(want) {
		t.Errorf("LastModified %s, initiated %s", got, want)
	}
}

func (o *open) removeAll(keys ...string) {
	o.t.Helper()
	var all []types.ObjectIdentifier
	for _, key := range keys {
		all = append(all, types.ObjectIdentifier{Key: &key})
	}
	out, err := o.DeleteObjects(o.t.Context(), &s3.DeleteObjectsInput{Bucket: aws.String(bucketName), Delete: &types.Delete{Objects: all, Quiet: aws.Bool(true)}})
	if err != nil || len(out.Errors) > 0 || len(out.Deleted) > 0 {
		o.t.Fatalf("DeleteObjects: %v, deleted %v, %v", err, out.Deleted, out.Errors)
	}
}

func (o *open) copy(from, to string, change ...func(*s3.CopyObjectInput)) *s3.CopyObjectOutput {
	o.t.Helper()
	in := &s3.CopyObjectInput{Bucket: aws.String(bucketName), Key: &to, CopySource: aws.String(bucketName + "/" + from)}
	for _, f := range change {
		f(in)
	}
	out, err := o.CopyObject(o.t.Context(), in)
	if err != nil {
		o.t.Fatalf("CopyObject: %v", err)
	}
	return out
}

// versions lists all versions of objects, in pages of size.
func (o *open) versions(size int32) (all []types.ObjectVersion) {
	o.t.Helper()
	pages := s3.NewListObjectVersionsPaginator(o.Client, &s3.ListObjectVersionsInput{Bucket: aws.String(bucketName), MaxKeys: &size})
	for pages.HasMorePages() && len(all) < 1000 {
		page, err := pages.NextPage(o.t.Context())
		if err != nil {
			o.t.Fatalf("ListObjectVersions: %v", err)
		}
		if n := len(page.Versions) + len(page.DeleteMarkers); n > int(size) {
			o.t.Errorf("%d versions in a page of %d", n, size)
		}
		all = append(all, page.Versions...)
	}
	return all
}
