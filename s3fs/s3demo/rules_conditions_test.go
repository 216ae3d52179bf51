package s3demo_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const otherETag = `"00000000000000000000000000000000"`

// putIf puts "k" with these conditions.
func (o *open) putIf(match, none string) error {
	in := &s3.PutObjectInput{Bucket: aws.String(bucketName), Key: aws.String("k"), Body: strings.NewReader("content")}
	in.IfMatch, in.IfNoneMatch = header(match), header(none)
	_, err := o.PutObject(o.t.Context(), in, unsigned)
	return err
}

func header(value string) *string {
	if value == "" {
		return nil
	}
	return &value
}

// putMeanwhile puts "k" with these conditions, and calls a function after half of the content.
func (o *open) putMeanwhile(match, none string, meanwhile func()) error {
	reader, writer := io.Pipe()
	r, err := http.NewRequestWithContext(o.t.Context(), http.MethodPut, o.url+"/"+bucketName+"/k", reader)
	if err != nil {
		o.t.Fatal(err)
	}
	r.ContentLength = 10
	r.Header.Set("Expect", "100-continue") // the store gets the request before its content
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	for name, value := range map[string]string{"If-Match": match, "If-None-Match": none} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	o.sign(r, "", "us-east-1", time.Now())
	transport := &http.Transport{ExpectContinueTimeout: time.Hour}
	defer transport.CloseIdleConnections()
	done := make(chan error, 1)
	go func() {
		answer, err := transport.RoundTrip(r)
		if err != nil {
			done <- err
			return
		}
		done <- rawAnswer(answer)
	}()
	if _, err := io.WriteString(writer, "slow "); err != nil {
		o.t.Fatal(err)
	}
	meanwhile()
	if _, err := io.WriteString(writer, "river"); err != nil {
		o.t.Fatal(err)
	}
	writer.Close()
	return <-done
}

// completeIf completes an upload of "k" with these conditions, after calling a function since its initiation.
func completeIf(match, none string, since func(o *open)) refused {
	return func(o *open) error {
		id := o.begin("k")
		parts := []types.CompletedPart{o.part("k", id, 1, []byte("content"))}
		since(o)
		_, err := o.complete("k", id, parts, func(in *s3.CompleteMultipartUploadInput) { in.IfMatch, in.IfNoneMatch = header(match), header(none) })
		return err
	}
}

func etag(content string) string { return `"` + md5Hex([]byte(content)) + `"` }

// copyOver copies "source" over "k".
func (o *open) copyOver(change func(*s3.CopyObjectInput)) error {
	in := &s3.CopyObjectInput{Bucket: aws.String(bucketName), Key: aws.String("k"), CopySource: aws.String(bucketName + "/source")}
	change(in)
	_, err := o.CopyObject(o.t.Context(), in)
	return err
}

func copied(change func(*s3.CopyObjectInput)) refused {
	return func(o *open) error {
		o.put("source", []byte("source"))
		return o.copyOver(change)
	}
}

func over(key string, then refused) refused {
	return func(o *open) error {
		o.put(key, []byte("old"))
		return then(o)
	}
}

func (o *open) getIf(change func(*s3.GetObjectInput)) error {
	in := &s3.GetObjectInput{Bucket: aws.String(bucketName), Key: aws.String("k")}
	change(in)
	out, err := o.GetObject(o.t.Context(), in)
	if err == nil {
		out.Body.Close()
	}
	return err
}

func got(change func(*s3.GetObjectInput)) refused {
	return over("k", func(o *open) error { return o.getIf(change) })
}

var (
	longAgo  = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	tomorrow = time.Now().Add(24 * time.Hour)
)

var conditionRules = map[string]refused{
	"put over an object, If-None-Match": over("k", func(o *open) error { return o.putIf("", "*") }),
	"put over another object, If-Match": over("k", func(o *open) error { return o.putIf(otherETag, "") }),
	"put over no object, If-Match":      func(o *open) error { return o.putIf(otherETag, "") },
	"put, If-None-Match with an ETag":   func(o *open) error { return o.putIf("", otherETag) },
	"put, both conditions":              func(o *open) error { return o.putIf(otherETag, "*") },
	"put, If-Match for any object":      over("k", func(o *open) error { return o.putIf("*", "") }),
	"put, If-None-Match, written meanwhile": func(o *open) error {
		return o.putMeanwhile("", "*", func() { o.put("k", []byte("faster")) })
	},
	"put, If-None-Match, deleted meanwhile": func(o *open) error {
		return o.putMeanwhile("", "*", func() { o.put("k", nil); o.remove("k") })
	},
	"put, If-Match, deleted meanwhile": over("k", func(o *open) error {
		return o.putMeanwhile(etag("old"), "", func() { o.remove("k") })
	}),
	"put over a delete marker, If-Match": func(o *open) error {
		o.versioning("Enabled")
		o.put("k", []byte("old"))
		o.remove("k")
		return o.putIf(etag("old"), "")
	},
	"complete over an object, If-None-Match": over("k", completeIf("", "*", func(*open) {})),
	"complete over another object, If-Match": over("k", completeIf(otherETag, "", func(*open) {})),
	"complete over no object, If-Match":      completeIf(otherETag, "", func(*open) {}),
	"complete, If-Match, written since the initiation": completeIf(etag("newer"), "", func(o *open) {
		o.put("k", []byte("newer"))
	}),
	"complete, If-None-Match, deleted since the initiation": over("k", completeIf("", "*", func(o *open) { o.remove("k") })),
	"complete, If-Match, deleted since the initiation":      over("k", completeIf(etag("old"), "", func(o *open) { o.remove("k") })),
	"complete, If-None-Match with an ETag":                  completeIf("", otherETag, func(*open) {}),
	"copy over an object, If-None-Match":                    over("k", copied(func(in *s3.CopyObjectInput) { in.IfNoneMatch = aws.String("*") })),
	"copy over another object, If-Match":                    over("k", copied(func(in *s3.CopyObjectInput) { in.IfMatch = aws.String(otherETag) })),
	"copy over no object, If-Match":                         copied(func(in *s3.CopyObjectInput) { in.IfMatch = aws.String(otherETag) }),
	"copy of another object, If-Match":                      copied(func(in *s3.CopyObjectInput) { in.CopySourceIfMatch = aws.String(otherETag) }),
	"copy of a known object, If-None-Match":                 copied(func(in *s3.CopyObjectInput) { in.CopySourceIfNoneMatch = aws.String(etag("source")) }),
	"copy of an unmodified object":                          copied(func(in *s3.CopyObjectInput) { in.CopySourceIfModifiedSince = &tomorrow }),
	"copy of a modified object":                             copied(func(in *s3.CopyObjectInput) { in.CopySourceIfUnmodifiedSince = &longAgo }),
	"part of another object, If-Match": func(o *open) error {
		o.put("source", []byte("source"))
		return o.copyPart(o.begin("k"), func(in *s3.UploadPartCopyInput) { in.CopySourceIfMatch = aws.String(otherETag) })
	},
	"get of another object":       got(func(in *s3.GetObjectInput) { in.IfMatch = aws.String(otherETag) }),
	"get of a modified object":    got(func(in *s3.GetObjectInput) { in.IfUnmodifiedSince = &longAgo }),
	"get of a known object":       got(func(in *s3.GetObjectInput) { in.IfNoneMatch = aws.String(etag("old")) }),
	"get of an unmodified object": got(func(in *s3.GetObjectInput) { in.IfModifiedSince = &tomorrow }),
}

// removeIf deletes "k" if it has the ETag.
func (o *open) removeIf(match string) error {
	_, err := o.DeleteObject(o.t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucketName), Key: aws.String("k"), IfMatch: &match})
	return err
}

// removeMany deletes "k" and "other" in one request, the first if it has the ETag. It returns the error of one of them.
func (o *open) removeMany(match string) error {
	o.put("other", nil)
	out, err := o.DeleteObjects(o.t.Context(), &s3.DeleteObjectsInput{Bucket: aws.String(bucketName), Delete: &types.Delete{
		Objects: []types.ObjectIdentifier{{Key: aws.String("k"), ETag: &match}, {Key: aws.String("other")}},
	}})
	if err != nil {
		return err
	}
	if len(out.Deleted) != 1 || len(out.Errors) != 1 || *out.Errors[0].Key != "k" {
		o.t.Fatalf("deleted: %v, refused: %v", out.Deleted, out.Errors)
	}
	status := map[string]int{"NoSuchKey": 404, "PreconditionFailed": 412}
	return &rawError{Status: status[*out.Errors[0].Code], Code: *out.Errors[0].Code}
}

// tryDeletions sends a document to DeleteObjects.
func tryDeletions(document string) refused {
	return func(o *open) error {
		return o.raw("POST", "?delete", document, "X-Amz-Checksum-Crc32c", crc32c(document))
	}
}

var deletionRules = map[string]refused{
	"deletion of another object":                       over("k", func(o *open) error { return o.removeIf(otherETag) }),
	"deletion of no object, If-Match":                  func(o *open) error { return o.removeIf(otherETag) },
	"deletion by size":                                 over("k", func(o *open) error { return o.raw("DELETE", "/k", "", "X-Amz-If-Match-Size", "3") }),
	"one of many deletions of another object":          over("k", func(o *open) error { return o.removeMany(otherETag) }),
	"one of many deletions of no object, with an ETag": func(o *open) error { return o.removeMany(otherETag) },
	"one of many deletions of another multipart object": func(o *open) error {
		other := o.multipart("k", 1, 5*mib, 1)
		o.multipart("k", 2, 5*mib, 1)
		return o.removeMany(other)
	},
	"deletion of any object where a delete marker stands": func(o *open) error {
		o.versioning("Enabled")
		o.put("k", nil)
		o.remove("k")
		return o.removeIf("*")
	},
	"deletions without a digest": func(o *open) error {
		return o.raw("POST", "?delete", "<Delete><Object><Key>k</Key></Object></Delete>")
	},
	"1,001 deletions":     tryDeletions("<Delete>" + strings.Repeat("<Object><Key>k</Key></Object>", 1001) + "</Delete>"),
	"no deletion":         tryDeletions("<Delete></Delete>"),
	"malformed deletions": tryDeletions("<Delete><Object><Key>&#x1;</Key></Object></Delete>"),
}

// archive puts an object of an archived class.
func (o *open) archive(key string) {
	o.t.Helper()
	o.put(key, []byte("old"), func(in *s3.PutObjectInput) { in.StorageClass = "GLACIER" })
}

// copiedRange tries to copy a range of a source of at least 5 MiB.
func copiedRange(more int, span string) refused {
	return func(o *open) error {
		o.put("source", text(1, 5*mib+more))
		return o.copyPart(o.begin("k"), func(in *s3.UploadPartCopyInput) { in.CopySourceRange = &span })
	}
}

func copiedFrom(source string) refused {
	return copied(func(in *s3.CopyObjectInput) { in.CopySource = &source })
}

var copyRules = map[string]refused{
	"large source": func(o *open) error {
		o.multipart("source", 1, 5*mib, 2*mib)
		return o.copyOver(func(*s3.CopyObjectInput) {})
	},
	"large part from a source": func(o *open) error {
		o.multipart("source", 1, 5*mib, 2*mib)
		return o.copyPart(o.begin("k"))
	},
	"large object": func(o *open) error {
		_, err := o.PutObject(o.t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucketName), Key: aws.String("k"), Body: bytes.NewReader(text(1, limit+1))})
		return err
	},
	"copy onto itself":            copied(func(in *s3.CopyObjectInput) { in.Key = aws.String("source") }),
	"unknown metadata directive":  copied(func(in *s3.CopyObjectInput) { in.MetadataDirective = "MERGE" }),
	"unknown tagging directive":   copied(func(in *s3.CopyObjectInput) { in.TaggingDirective = "MERGE" }),
	"source that is not encoded":  copiedFrom(bucketName + "/a source"),
	"source without a key":        copiedFrom(bucketName),
	"missing source":              copiedFrom(bucketName + "/missing"),
	"source in a missing bucket":  copiedFrom("missing/source"),
	"source of a missing version": copiedFrom(bucketName + "/source?versionId=" + strings.Repeat("x", 32)),
	"source that is a delete marker": func(o *open) error {
		o.versioning("Enabled")
		o.put("source", nil)
		marker := o.remove("source")
		return o.copyOver(func(in *s3.CopyObjectInput) {
			in.CopySource = aws.String(bucketName + "/source?versionId=" + *marker.VersionId)
		})
	},
	"range of a small source":     copiedRange(0, "bytes=0-9"),
	"range beyond the source":     copiedRange(10, "bytes=0-99999999"),
	"malformed range of a source": copiedRange(10, "bytes=0-"),
	"copy of an archived object": func(o *open) error {
		o.archive("source")
		return o.copyOver(func(*s3.CopyObjectInput) {})
	},
	"part of an archived object": func(o *open) error {
		o.archive("source")
		return o.copyPart(o.begin("k"))
	},
}
