package s3demo_test

import (
	"crypto/md5"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
)

// putLifecycle puts rules in XML.
func putLifecycle(rules string) refused {
	return func(o *open) error {
		body := "<LifecycleConfiguration>" + rules + "</LifecycleConfiguration>"
		sum := md5.Sum([]byte(body))
		return o.raw("PUT", "?lifecycle", body, "Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
	}
}

const (
	enabled  = "<Status>Enabled</Status>"
	anyKey   = "<Filter><Prefix></Prefix></Filter>"
	abortDay = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>"
)

var lifecycleRules = map[string]refused{
	"no lifecycle rules":                  func(o *open) error { return o.raw("GET", "?lifecycle", "") },
	"unknown element of a lifecycle rule": putLifecycle("<Rule>" + enabled + anyKey + abortDay + "<New>1</New></Rule>"),
	"lifecycle without a rule":            putLifecycle(""),
	"unknown status of a lifecycle rule":  putLifecycle("<Rule><Status>On</Status>" + anyKey + abortDay + "</Rule>"),
	"lifecycle rule without a filter":     putLifecycle("<Rule>" + enabled + abortDay + "</Rule>"),
	"lifecycle filter of two kinds": putLifecycle("<Rule>" + enabled +
		"<Filter><Prefix>a</Prefix><ObjectSizeLessThan>5</ObjectSizeLessThan></Filter>" + abortDay + "</Rule>"),
	"lifecycle rule without an action": putLifecycle("<Rule>" + enabled + anyKey + "</Rule>"),
	"two lifecycle rules of one ID":    putLifecycle(strings.Repeat("<Rule><ID>a</ID>"+enabled+anyKey+abortDay+"</Rule>", 2)),
	"long ID of a lifecycle rule":      putLifecycle("<Rule><ID>" + strings.Repeat("a", 256) + "</ID>" + enabled + anyKey + abortDay + "</Rule>"),
	"uploads aborted after 0 days":     putLifecycle("<Rule>" + enabled + anyKey + strings.Replace(abortDay, "1", "0", 1) + "</Rule>"),
	"uploads aborted by tag": putLifecycle("<Rule>" + enabled +
		"<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter>" + abortDay + "</Rule>"),
}

// Lifecycle rules are kept with the bucket, also when its versioning changes and when the store is opened again.
func TestLifecycleIsKept(t *testing.T) {
	o := startWith(t, t.TempDir(), s3demo.Options{})
	if err := o.store.CreateBucket(bucketName); err != nil {
		t.Fatal(err)
	}
	if err := putLifecycle("<Rule><ID>a</ID>" + enabled + anyKey + abortDay + "</Rule><Rule>" + enabled + "<Prefix>b</Prefix><Expiration><Days>3</Days></Expiration></Rule>")(o); err != nil {
		t.Fatal(err)
	}
	o.versioning(types.BucketVersioningStatusEnabled)
	read := func() string {
		out, err := o.GetBucketLifecycleConfiguration(t.Context(), &s3.GetBucketLifecycleConfigurationInput{Bucket: aws.String(bucketName)})
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, r := range out.Rules {
			if r.AbortIncompleteMultipartUpload != nil {
				text += "abort "
			}
			if r.Expiration != nil && aws.ToInt32(r.Expiration.Days) == 3 && aws.ToString(r.ID) != "" {
				text += "expire"
			}
		}
		return text
	}
	if got := read(); got != "abort expire" {
		t.Errorf("rules %q", got)
	}
	o = o.restart()
	if got := read(); got != "abort expire" {
		t.Errorf("after the store was opened again: rules %q", got)
	}
	if _, err := o.DeleteBucketLifecycle(t.Context(), &s3.DeleteBucketLifecycleInput{Bucket: aws.String(bucketName)}); err != nil {
		t.Fatal(err)
	}
	if status, code := refusal(t, o.raw("GET", "?lifecycle", "")); status != 404 || code != "NoSuchLifecycleConfiguration" {
		t.Errorf("after the deletion: %d %s", status, code)
	}
}
