package s3demo_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func TestConditions(t *testing.T) {
	o := start(t)
	tag := *o.put("k", []byte("content")).ETag
	multi := o.multipart("m", 1, 5*mib, 10)
	other := `"00000000000000000000000000000000"`
	get := func(key string, match, none *string) error {
		out, err := o.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucketName), Key: &key, IfMatch: match, IfNoneMatch: none})
		if err == nil {
			out.Body.Close()
		}
		return err
	}
	put := func(key string, match, none *string) error {
		_, err := o.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucketName), Key: &key, Body: strings.NewReader("content"), IfMatch: match, IfNoneMatch: none})
		return err
	}
	copied := func(key string, match, none *string) error {
		source := bucketName + "/k"
		_, err := o.CopyObject(t.Context(), &s3.CopyObjectInput{
			Bucket: aws.String(bucketName), Key: &key, CopySource: &source, MetadataDirective: "REPLACE", IfMatch: match, IfNoneMatch: none,
		})
		return err
	}
	from := func(key string, match, none *string) error {
		source := bucketName + "/" + key
		_, err := o.CopyObject(t.Context(), &s3.CopyObjectInput{
			Bucket: aws.String(bucketName), Key: aws.String("to"), CopySource: &source, CopySourceIfMatch: match, CopySourceIfNoneMatch: none,
		})
		return err
	}
	deleted := func(key string, match, _ *string) error {
		_, err := o.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucketName), Key: &key, IfMatch: match})
		return err
	}
	for _, c := range []struct {
		name        string
		do          func(string, *string, *string) error
		key         string
		match, none *string
		want        string
	}{
		{"get", get, "k", &tag, nil, ""},
		{"get another", get, "k", &other, nil, "PreconditionFailed"},
		{"get multipart", get, "m", &multi, nil, ""},
		{"get multipart of another count", get, "m", aws.String(strings.Replace(multi, "-2", "-3", 1)), nil, "PreconditionFailed"},
		{"get what is known", get, "m", nil, &multi, "NotModified"},
		{"put over nothing", put, "new", nil, aws.String("*"), ""},
		{"put over something", put, "new", nil, aws.String("*"), "PreconditionFailed"},
		{"put over the same", put, "k", &tag, nil, ""},
		{"put over another", put, "k", &other, nil, "PreconditionFailed"},
		{"put over a missing one", put, "missing", &tag, nil, "NoSuchKey"},
		{"copy over nothing", copied, "new2", nil, aws.String("*"), ""},
		{"copy over something", copied, "new2", nil, aws.String("*"), "PreconditionFailed"},
		{"copy over the same", copied, "new2", &tag, nil, ""},
		{"copy over another", copied, "new2", &other, nil, "PreconditionFailed"},
		{"copy over a missing one", copied, "missing", &tag, nil, "NoSuchKey"},
		{"copy from multipart", from, "m", &multi, nil, ""},
		{"copy from another", from, "m", &tag, nil, "PreconditionFailed"},
		{"copy from what is known", from, "k", nil, &tag, "PreconditionFailed"},
		{"delete another", deleted, "k", &other, nil, "PreconditionFailed"},
		{"delete multipart of another count", deleted, "m", aws.String(strings.Replace(multi, "-2", "-3", 1)), nil, "PreconditionFailed"},
		{"delete a missing one", deleted, "missing", &tag, nil, "NoSuchKey"},
		{"delete", deleted, "k", &tag, nil, ""},
		{"get what was deleted", get, "k", nil, nil, "NoSuchKey"},
		{"delete multipart", deleted, "m", &multi, nil, ""},
	} {
		if got := code(t, c.do(c.key, c.match, c.none)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestDeleteUnchanged: DeleteObjects deletes only the objects that still have the given ETag.
func TestDeleteUnchanged(t *testing.T) {
	o := start(t)
	tag := o.put("k", []byte("content")).ETag
	o.put("changed", []byte("other content"))
	o.put("any", []byte("whatever"))
	multi := o.multipart("m", 1, 5*mib, 10)
	o.multipart("n", 1, 5*mib, 11)
	out, err := o.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: aws.String(bucketName), Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: aws.String("k"), ETag: tag}, {Key: aws.String("changed"), ETag: tag}, {Key: aws.String("any")},
		{Key: aws.String("m"), ETag: &multi}, {Key: aws.String("n"), ETag: &multi}, {Key: aws.String("missing"), ETag: tag},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	var refused []string
	for _, e := range out.Errors {
		refused = append(refused, *e.Key+" "+*e.Code)
	}
	if got := strings.Join(refused, ", "); got != "changed PreconditionFailed, n PreconditionFailed, missing NoSuchKey" || len(out.Deleted) != 3 {
		t.Errorf("%d deleted, refused: %s", len(out.Deleted), got)
	}
	left, err := o.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucketName)})
	if err != nil || len(left.Contents) != 2 {
		t.Errorf("%d objects are left, %v", len(left.Contents), err)
	}
}
