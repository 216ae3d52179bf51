package s3demo_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

var longKey = strings.Repeat("k", 1025)

// putAs puts an object with these attributes.
func putAs(change func(*s3.PutObjectInput)) refused {
	return func(o *open) error {
		in := &s3.PutObjectInput{Bucket: aws.String(bucketName), Key: aws.String("k"), Body: strings.NewReader("content")}
		change(in)
		_, err := o.PutObject(o.t.Context(), in)
		return err
	}
}

func (o *open) tryBegin(change func(*s3.CreateMultipartUploadInput)) error {
	in := &s3.CreateMultipartUploadInput{Bucket: aws.String(bucketName), Key: aws.String("k")}
	change(in)
	_, err := o.CreateMultipartUpload(o.t.Context(), in)
	return err
}

// tagged tries to give an object these tags, pairs of key and value.
func tagged(pairs ...string) refused {
	return over("k", func(o *open) error {
		set := &types.Tagging{TagSet: []types.Tag{}}
		for i := 0; i < len(pairs); i += 2 {
			set.TagSet = append(set.TagSet, types.Tag{Key: &pairs[i], Value: &pairs[i+1]})
		}
		_, err := o.PutObjectTagging(o.t.Context(), &s3.PutObjectTaggingInput{Bucket: aws.String(bucketName), Key: aws.String("k"), Tagging: set})
		return err
	})
}

func elevenTags() (pairs []string) {
	for i := range 11 {
		pairs = append(pairs, fmt.Sprint("key", i), "value")
	}
	return pairs
}

func listed(change func(*s3.ListObjectsV2Input)) refused {
	return func(o *open) error {
		in := &s3.ListObjectsV2Input{Bucket: aws.String(bucketName)}
		change(in)
		_, err := o.ListObjectsV2(o.t.Context(), in)
		return err
	}
}

func getRaw(target string) refused {
	return func(o *open) error { return o.raw("GET", target, "") }
}

var objectRules = map[string]refused{
	"long key":              putAs(func(in *s3.PutObjectInput) { in.Key = &longKey }),
	"long key of an upload": func(o *open) error { return o.tryBegin(func(in *s3.CreateMultipartUploadInput) { in.Key = &longKey }) },
	"long key read":         func(o *open) error { return o.getIf(func(in *s3.GetObjectInput) { in.Key = &longKey }) },
	"key that is not UTF-8": func(o *open) error { return o.raw("PUT", "/%FF", "") },
	"long prefix":           listed(func(in *s3.ListObjectsV2Input) { in.Prefix = &longKey }),
	"long marker":           listed(func(in *s3.ListObjectsV2Input) { in.StartAfter = &longKey }),
	"long prefix of uploads": func(o *open) error {
		_, err := o.ListMultipartUploads(o.t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(bucketName), Prefix: &longKey})
		return err
	},
	"much metadata": putAs(func(in *s3.PutObjectInput) { in.Metadata = map[string]string{"a": strings.Repeat("x", 2048)} }),
	"much metadata of an upload": func(o *open) error {
		return o.tryBegin(func(in *s3.CreateMultipartUploadInput) {
			in.Metadata = map[string]string{"a": strings.Repeat("x", 2048)}
		})
	},
	"11 tags":                       tagged(elevenTags()...),
	"long key of a tag":             tagged(strings.Repeat("é", 129), "value"),
	"long value of a tag":           tagged("key", strings.Repeat("é", 257)),
	"tag with other characters":     tagged("key", "a?b"),
	"tag of the system":             tagged("aws:key", "value"),
	"tag twice":                     tagged("key", "1", "key", "2"),
	"malformed x-amz-tagging":       putAs(func(in *s3.PutObjectInput) { in.Tagging = aws.String("a=1&a=2") }),
	"unknown storage class":         putAs(func(in *s3.PutObjectInput) { in.StorageClass = "TEPID" }),
	"unknown encryption":            putAs(func(in *s3.PutObjectInput) { in.ServerSideEncryption = "ROT13" }),
	"public object":                 putAs(func(in *s3.PutObjectInput) { in.ACL = "public-read" }),
	"key of a customer without TLS": sent("content", "X-Amz-Server-Side-Encryption-Customer-Algorithm", "AES256"),
	"archived object":               func(o *open) error { o.archive("k"); return o.getIf(func(*s3.GetObjectInput) {}) },
	"range beyond the object":       got(func(in *s3.GetObjectInput) { in.Range = aws.String("bytes=3-") }),
	"part beyond the object":        got(func(in *s3.GetObjectInput) { in.PartNumber = aws.Int32(2) }),
	"range and part number":         got(func(in *s3.GetObjectInput) { in.PartNumber, in.Range = aws.Int32(1), aws.String("bytes=0-1") }),
	"range of an empty object": func(o *open) error {
		o.put("k", nil)
		return o.getIf(func(in *s3.GetObjectInput) { in.Range = aws.String("bytes=-1") })
	},
}

var listRules = map[string]refused{
	"unknown encoding of objects":         getRaw("?list-type=2&encoding-type=base64"),
	"unknown encoding of uploads":         getRaw("?uploads&encoding-type=base64"),
	"negative max-keys":                   listed(func(in *s3.ListObjectsV2Input) { in.MaxKeys = aws.Int32(-1) }),
	"max-keys that is no number":          getRaw("?list-type=2&max-keys=many"),
	"negative max-uploads":                getRaw("?uploads&max-uploads=-1"),
	"max-parts that is no number":         func(o *open) error { return o.raw("GET", "/k?max-parts=many&uploadId="+o.begin("k"), "") },
	"wrong continuation token":            listed(func(in *s3.ListObjectsV2Input) { in.ContinuationToken = aws.String("a") }),
	"version marker without a key marker": getRaw("?versions&version-id-marker=null"),
}

// versioned tries to read "k" in a bucket with versions, after it was deleted.
func versioned(change func(marker string, in *s3.GetObjectInput)) refused {
	return func(o *open) error {
		o.versioning("Enabled")
		o.put("k", []byte("old"))
		marker := o.remove("k")
		return o.getIf(func(in *s3.GetObjectInput) { change(*marker.VersionId, in) })
	}
}

func (o *open) removeBucket() error {
	_, err := o.DeleteBucket(o.t.Context(), &s3.DeleteBucketInput{Bucket: aws.String(bucketName)})
	return err
}

// putVersioning sends a document to PutBucketVersioning.
func putVersioning(document string) refused {
	return func(o *open) error {
		return o.raw("PUT", "?versioning", document, "X-Amz-Checksum-Crc32c", crc32c(document))
	}
}

var missing = aws.String("missing-bucket")

var missingRules = map[string]refused{
	"missing key": func(o *open) error { return o.getIf(func(*s3.GetObjectInput) {}) },
	"missing key, HEAD": func(o *open) error {
		_, err := o.HeadObject(o.t.Context(), &s3.HeadObjectInput{Bucket: aws.String(bucketName), Key: aws.String("k")})
		return err
	},
	"missing bucket of an object": putAs(func(in *s3.PutObjectInput) { in.Bucket = missing }),
	"missing bucket listed":       listed(func(in *s3.ListObjectsV2Input) { in.Bucket = missing }),
	"missing bucket, HEAD": func(o *open) error {
		_, err := o.HeadBucket(o.t.Context(), &s3.HeadBucketInput{Bucket: missing})
		return err
	},
	"missing version":    got(func(in *s3.GetObjectInput) { in.VersionId = aws.String(strings.Repeat("x", 32)) }),
	"invalid version ID": got(func(in *s3.GetObjectInput) { in.VersionId = aws.String("x") }),
	"deleted object of a versioned bucket": func(o *open) error {
		marker := ""
		err := versioned(func(id string, _ *s3.GetObjectInput) { marker = id })(o)
		if raw, ok := o.raw("GET", "/k", "").(*rawError); !ok || raw.Header.Get("X-Amz-Delete-Marker") != "true" || raw.Header.Get("X-Amz-Version-Id") != marker {
			o.t.Errorf("the headers tell of no delete marker %s: %v", marker, raw)
		}
		return err
	},
	"delete marker by its version ID": versioned(func(id string, in *s3.GetObjectInput) { in.VersionId = &id }),
	"missing length": func(o *open) error {
		r, err := http.NewRequestWithContext(o.t.Context(), http.MethodPut, o.url+"/"+bucketName+"/k", struct{ *strings.Reader }{strings.NewReader("x")})
		if err != nil {
			o.t.Fatal(err)
		}
		o.sign(r, "x", "us-east-1", time.Now())
		return o.send(r)
	},
	"method that objects have not": func(o *open) error { return o.raw("PATCH", "/k", "") },
	"method that buckets have not": func(o *open) error { return o.raw("PATCH", "", "") },
	"bucket that exists": func(o *open) error {
		_, err := o.CreateBucket(o.t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucketName)})
		return err
	},
	"invalid bucket name": func(o *open) error {
		_, err := o.CreateBucket(o.t.Context(), &s3.CreateBucketInput{Bucket: aws.String("UPPER")})
		return err
	},
	"bucket with an object": over("k", (*open).removeBucket),
	"bucket with a delete marker": func(o *open) error {
		o.versioning("Enabled")
		o.remove("k")
		return o.removeBucket()
	},
	"versioning without a status":  putVersioning("<VersioningConfiguration></VersioningConfiguration>"),
	"unknown status of versioning": putVersioning("<VersioningConfiguration><Status>On</Status></VersioningConfiguration>"),
}

// signedBy lists the bucket with other keys.
func signedBy(access, secret string) refused {
	return func(o *open) error {
		_, err := client(o.url, o.Options().HTTPClient.(*http.Client).Transport, access, secret).
			ListObjectsV2(o.t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucketName)})
		return err
	}
}

// changed sends a request for the bucket that is changed after it was signed for a region and a time.
func changed(region string, at time.Time, change func(*http.Request)) refused {
	return func(o *open) error {
		r, err := http.NewRequestWithContext(o.t.Context(), http.MethodGet, o.url+"/"+bucketName, nil)
		if err != nil {
			o.t.Fatal(err)
		}
		o.sign(r, "", region, at)
		change(r)
		return o.send(r)
	}
}

func asSigned(*http.Request) {}

var signatureRules = map[string]refused{
	"wrong secret key":                signedBy(accessKey, "wrong"),
	"unknown access key":              signedBy("nobody", secretKey),
	"no signature":                    changed("us-east-1", time.Now(), func(r *http.Request) { r.Header.Del("Authorization") }),
	"signature for another region":    changed("eu-central-1", time.Now(), asSigned),
	"signature of another time":       changed("us-east-1", time.Now().Add(-time.Hour), asSigned),
	"signature version 2":             changed("us-east-1", time.Now(), func(r *http.Request) { r.Header.Set("Authorization", "AWS demo:x") }),
	"header of S3 that is not signed": changed("us-east-1", time.Now(), func(r *http.Request) { r.Header.Set("X-Amz-Request-Payer", "requester") }),
	"no hash of the payload":          changed("us-east-1", time.Now(), func(r *http.Request) { r.Header.Del("X-Amz-Content-Sha256") }),
	"expired URL": func(o *open) error {
		r, err := http.NewRequestWithContext(o.t.Context(), http.MethodGet, o.url+"/"+bucketName+"/k?X-Amz-Expires=10", nil)
		if err != nil {
			o.t.Fatal(err)
		}
		credentials := aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}
		signed, _, err := v4.NewSigner().PresignHTTP(o.t.Context(), credentials, r, "UNSIGNED-PAYLOAD", "s3", "us-east-1", time.Now().Add(-time.Minute))
		if err != nil {
			o.t.Fatal(err)
		}
		if r.URL, err = url.Parse(signed); err != nil {
			o.t.Fatal(err)
		}
		return o.send(r)
	},
}
