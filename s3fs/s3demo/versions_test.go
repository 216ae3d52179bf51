package s3demo_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// history returns the versions and delete markers of all keys as text, from pages of the size.
func (o *open) history(size int32, change ...func(*s3.ListObjectVersionsInput)) string {
	o.t.Helper()
	in := &s3.ListObjectVersionsInput{Bucket: aws.String(bucketName), MaxKeys: &size}
	for _, f := range change {
		f(in)
	}
	var all []string
	for range 100 {
		page, err := o.ListObjectVersions(o.t.Context(), in)
		if err != nil {
			o.t.Fatalf("ListObjectVersions: %v", err)
		}
		if n := len(page.Versions) + len(page.DeleteMarkers) + len(page.CommonPrefixes); n > int(size) {
			o.t.Errorf("%d entries in a page of %d", n, size)
		}
		var entries []string
		for _, v := range page.Versions {
			entries = append(entries, fmt.Sprintf("%s %s %d", *v.Key, kindOf(*v.VersionId), *v.Size))
		}
		for _, v := range page.DeleteMarkers {
			entries = append(entries, fmt.Sprintf("%s %s marker", *v.Key, kindOf(*v.VersionId)))
		}
		for _, p := range page.CommonPrefixes {
			entries = append(entries, *p.Prefix)
		}
		all = append(all, entries...)
		if !*page.IsTruncated {
			return strings.Join(all, ", ")
		}
		in.KeyMarker, in.VersionIdMarker = page.NextKeyMarker, page.NextVersionIdMarker
	}
	o.t.Fatal("the list does not end")
	return ""
}

func kindOf(versionID string) string {
	if versionID == "null" {
		return versionID
	}
	return "id"
}

func TestVersions(t *testing.T) {
	o := start(t)
	if out := o.put("k", []byte("1")); out.VersionId != nil {
		t.Errorf("a version ID where there are no versions: %s", *out.VersionId)
	}
	o.versioning("Enabled")
	second := o.put("k", []byte("22"))
	third := o.copy("k", "k", func(in *s3.CopyObjectInput) { in.MetadataDirective = "REPLACE" })
	if *third.CopySourceVersionId != *second.VersionId {
		t.Errorf("the source is %s, want %s", *third.CopySourceVersionId, *second.VersionId)
	}
	marker := o.remove("k")
	if !*marker.DeleteMarker || *marker.VersionId == "" {
		t.Errorf("DeleteObject: %v, %v", marker.DeleteMarker, marker.VersionId)
	}
	if got, want := o.history(1), "k id marker, k id 2, k id 2, k null 1"; got != want {
		t.Errorf("history: %s, want %s", got, want)
	}
	o = o.restart()
	if got, err := o.GetBucketVersioning(t.Context(), &s3.GetBucketVersioningInput{Bucket: aws.String(bucketName)}); err != nil || got.Status != "Enabled" {
		t.Errorf("GetBucketVersioning: %v, %v", got, err)
	}
	if got := string(o.get("k", func(in *s3.GetObjectInput) { in.VersionId = aws.String("null") })); got != "1" {
		t.Errorf("the null version is %q", got)
	}
	gone := o.remove("k", func(in *s3.DeleteObjectInput) { in.VersionId = marker.VersionId })
	if !*gone.DeleteMarker || *gone.VersionId != *marker.VersionId {
		t.Errorf("the end of a delete marker: %v, %v", gone.DeleteMarker, gone.VersionId)
	}
	if head := o.head("k"); *head.VersionId != *third.VersionId {
		t.Errorf("the current version is %s, want %s", *head.VersionId, *third.VersionId)
	}
	o.copy("k?versionId=null", "k")
	if got := string(o.get("k")); got != "1" {
		t.Errorf("after the copy of a version the object is %q", got)
	}
	for _, v := range o.versions(1000) {
		o.remove("k", func(in *s3.DeleteObjectInput) { in.VersionId = v.VersionId })
	}
	if got := o.history(1000); got != "" || len(o.files("content")) != 0 || len(o.files("buckets/bucket/objects")) != 0 {
		t.Errorf("left: %s", got)
	}
}

func TestSuspendedVersions(t *testing.T) {
	o := start(t)
	o.versioning("Enabled")
	o.put("k", []byte("1"))
	o.versioning("Suspended")
	if out := o.put("k", []byte("22")); *out.VersionId != "null" {
		t.Errorf("PutObject: %s", *out.VersionId)
	}
	o.put("k", []byte("333"))
	if got, want := o.history(1000), "k null 3, k id 1"; got != want {
		t.Errorf("history: %s, want %s", got, want)
	}
	if out := o.remove("k"); *out.VersionId != "null" || !*out.DeleteMarker {
		t.Errorf("DeleteObject: %v, %v", *out.VersionId, *out.DeleteMarker)
	}
	o = o.restart()
	if got, want := o.history(1000), "k id 1, k null marker"; got != want {
		t.Errorf("history: %s, want %s", got, want)
	}
	if got := o.keys("", 1000); len(got) != 0 {
		t.Errorf("objects: %q", got)
	}
}

func TestVersionsOfMany(t *testing.T) {
	o := start(t)
	o.versioning("Enabled")
	for _, key := range []string{"a", "b/1", "b/2", "c"} {
		o.put(key, nil)
		o.put(key, []byte("x"))
	}
	o.remove("c")
	all := "a id 1, a id 0, b/1 id 1, b/1 id 0, b/2 id 1, b/2 id 0, c id marker, c id 1, c id 0"
	for _, size := range []int32{1, 2, 3} {
		if got := o.history(size); sorted(got) != sorted(all) {
			t.Errorf("pages of %d: %s, want %s", size, got, all)
		}
		got := o.history(size, func(in *s3.ListObjectVersionsInput) { in.Delimiter = aws.String("/") })
		if want := "a id 1, a id 0, b/, c id marker, c id 1, c id 0"; sorted(got) != sorted(want) {
			t.Errorf("pages of %d with a delimiter: %s, want %s", size, got, want)
		}
		got = o.history(size, func(in *s3.ListObjectVersionsInput) { in.Prefix = aws.String("b/2") })
		if want := "b/2 id 1, b/2 id 0"; got != want {
			t.Errorf("pages of %d with a prefix: %s, want %s", size, got, want)
		}
	}
	out, err := o.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: aws.String(bucketName), Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: aws.String("a")}, {Key: aws.String("b/1"), VersionId: o.head("b/1").VersionId},
	}}})
	if err != nil || len(out.Deleted) != 2 || !*out.Deleted[0].DeleteMarker || *out.Deleted[0].DeleteMarkerVersionId == "" || out.Deleted[1].DeleteMarker != nil {
		t.Errorf("DeleteObjects: %v, %v", out, err)
	}
	if got, want := o.keys("", 1000), []string{"b/1", "b/2"}; !slices.Equal(got, want) {
		t.Errorf("objects: %q, want %q", got, want)
	}
}

// sorted sorts the entries of a history, so that their order does not depend on the pages.
func sorted(history string) string {
	entries := strings.Split(history, ", ")
	slices.Sort(entries)
	return strings.Join(entries, ", ")
}

func TestTagsOfVersions(t *testing.T) {
	o := start(t)
	o.versioning("Enabled")
	old := o.put("k", nil, func(in *s3.PutObjectInput) { in.Tagging = aws.String("a=old") })
	o.put("k", nil, func(in *s3.PutObjectInput) { in.Tagging = aws.String("a=new") })
	if _, err := o.DeleteObjectTagging(t.Context(), &s3.DeleteObjectTaggingInput{Bucket: aws.String(bucketName), Key: aws.String("k")}); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[*string]int{nil: 0, old.VersionId: 1} {
		out, err := o.GetObjectTagging(t.Context(), &s3.GetObjectTaggingInput{Bucket: aws.String(bucketName), Key: aws.String("k"), VersionId: id})
		if err != nil || len(out.TagSet) != want {
			t.Errorf("%v: %d tags, %v, want %d", id, len(out.TagSet), err, want)
		}
	}
}
