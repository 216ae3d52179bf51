package s3fs

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

func (p *prober) checkBucket(ctx context.Context, _ *Finding) error {
	_, err := p.fetchPage(ctx, p.prefix, "", "", 1)
	return err
}

// hasAttributes reports whether HeadObject can return one of the configured attributes. It does not return ACLs.
func (p *prober) hasAttributes() bool {
	a := p.attributes
	return a.StorageClass != "" || a.SSE != "" || len(a.Tags) > 0
}

// checkAttributes compares the attributes of the object with the configured ones.
func (p *prober) checkAttributes(ctx context.Context, finding *Finding) error {
	out, err := p.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &p.bucket, Key: &p.key})
	if err != nil {
		return err
	}
	compare := func(header, configured, stored string) {
		if configured != "" {
			finding.Attributes = append(finding.Attributes, StoredAttribute{header, configured, stored})
		}
	}
	a := p.attributes
	compare("x-amz-storage-class", a.StorageClass, cmp.Or(string(out.StorageClass), "STANDARD")) // which S3 omits
	compare("x-amz-server-side-encryption", a.SSE, string(out.ServerSideEncryption))
	if n := len(a.Tags); n > 0 && out.TagCount != nil { // which some services omit
		compare("x-amz-tagging-count", strconv.Itoa(n), strconv.Itoa(int(*out.TagCount)))
	}
	if slices.ContainsFunc(finding.Attributes, StoredAttribute.Differs) {
		return errors.New("the object does not have the configured attributes")
	}
	return nil
}

func (p *prober) checkPut(ctx context.Context, finding *Finding) error {
	etag, err := p.put(ctx, p.key, p.content, noChange)
	if err == nil {
		p.etag = etag
	}
	if errors.Is(err, fs.ErrPermission) && (p.hasAttributes() || p.attributes.ACL != "") {
		p.isolate(ctx)
	}
	finding.Checksum = string(p.client.algorithm())
	return err
}

// put puts an object, with the checksum of claimed instead of that of its content.
func (p *prober) put(
	ctx context.Context, key string, claimed []byte, change func(*s3.PutObjectInput), options ...func(*s3.Options),
) (etag string, err error) {
	before := p.objects[key]
	p.objects[key] = true
	err = p.client.withChecksum(func(a algorithm) error {
		in := &s3.PutObjectInput{Bucket: &p.bucket, Key: &key, Body: bytes.NewReader(p.content), ContentLength: aws.Int64(int64(len(p.content)))}
		p.attributes.applyToPut(in)
		sumOf(a, claimed).set(&in.ChecksumCRC32C, &in.ChecksumCRC32, &in.ChecksumSHA256, &in.ContentMD5)
		change(in)
		out, err := p.api.PutObject(ctx, in, options...)
		if err == nil {
			etag = unquote(out.ETag)
		}
		return err
	})
	if errors.Is(err, fs.ErrPermission) && !before {
		delete(p.objects, key)
	}
	return etag, err
}

// noChange is a change for put that does nothing.
func noChange(*s3.PutObjectInput) {}

func sumOf(a algorithm, content []byte) checksum {
	h := a.hash()
	h.Write(content)
	return checksum{a, h.Sum(nil)}
}

func (p *prober) checkRead(ctx context.Context, _ *Finding) error {
	out, err := p.api.GetObject(ctx, &s3.GetObjectInput{Bucket: &p.bucket, Key: &p.key})
	if err != nil {
		return err
	}
	defer out.Body.Close()
	got, err := io.ReadAll(io.LimitReader(out.Body, int64(len(p.content))+1))
	if err == nil && !bytes.Equal(got, p.content) {
		err = errors.New("the content differs from the one that was put")
	}
	return err
}

func (p *prober) checkList(ctx context.Context, _ *Finding) error {
	page, err := p.fetchPage(ctx, p.key, "/", "", 0)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(page.objects, func(o object) bool { return o.key == p.key && o.size == int64(len(p.content)) }) {
		return errors.New("the object is missing in the listing")
	}
	return nil
}

// checkDamaged puts content that does not match its checksum.
func (p *prober) checkDamaged(ctx context.Context, _ *Finding) error {
	if p.client.algorithm() == none {
		return errors.New("checksums are off (--checksum none)")
	}
	_, err := p.put(ctx, p.key+"-damaged", []byte("another content"), noChange, noRetry)
	if err == nil {
		return errors.New("the service ignores checksums")
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok && slices.Contains(checksumMismatchCodes, api.ErrorCode()) {
		return nil
	}
	return err
}

// checkPutNew puts a new object with If-None-Match, and then the same again, which must fail.
func (p *prober) checkPutNew(ctx context.Context, _ *Finding) error {
	isNew := func(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String("*") }
	if _, err := p.put(ctx, p.key+"-stou", p.content, isNew); err != nil {
		return err
	}
	_, err := p.put(ctx, p.key+"-stou", p.content, isNew)
	return wantConditionFailed("If-None-Match", err)
}

// checkPutUnchanged replaces an object with If-Match: with its ETag, and with another one, which must fail.
func (p *prober) checkPutUnchanged(ctx context.Context, _ *Finding) error {
	etag, err := p.put(ctx, p.key+"-appe", p.content, noChange)
	if err != nil {
		return err
	}
	_, err = p.put(ctx, p.key+"-appe", p.content, func(in *s3.PutObjectInput) { in.IfMatch = quoted(etag) })
	if isConditionFailed(err) {
		return fmt.Errorf("the service refuses the right ETag: %w", err)
	}
	if err != nil {
		return err
	}
	_, err = p.put(ctx, p.key+"-appe", p.content, func(in *s3.PutObjectInput) { in.IfMatch = aws.String(otherETag) })
	return wantConditionFailed("If-Match", err)
}

// otherETag is an ETag that no object has.
const otherETag = `"00000000000000000000000000000000"`

// wantConditionFailed checks the result of a request with a condition that is not met: it returns nil if S3 refused it for that.
func wantConditionFailed(header string, err error) error {
	switch {
	case err == nil:
		return fmt.Errorf("the service ignores %s", header)
	case isConditionFailed(err):
		return nil
	}
	return err
}

func (p *prober) checkCopy(ctx context.Context, _ *Finding) error {
	target := p.key + "-copied"
	p.objects[target] = true
	_, err := p.copy(ctx, object{key: p.key, size: int64(len(p.content)), etag: p.etag}, target, condition{}, p.newNameLock(target))
	_, err = p.verifyObject(ctx, target, err)
	return err
}

// checkCopyNew copies to a key that exists with If-None-Match, which must fail.
func (p *prober) checkCopyNew(ctx context.Context, _ *Finding) error {
	target := p.key + "-copied"
	if !p.objects[target] {
		return errors.New("CopyObject does not work")
	}
	_, err := p.api.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &p.bucket, Key: &target, IfNoneMatch: aws.String("*"),
		CopySource: aws.String(copySource(p.bucket, p.key))})
	return wantConditionFailed("If-None-Match", err)
}

// checkDeleteMatch deletes an object with If-Match and another ETag, which must fail.
func (p *prober) checkDeleteMatch(ctx context.Context, _ *Finding) error {
	key := p.key + "-appe"
	_, err := p.api.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &p.bucket, Key: &key, IfMatch: aws.String(otherETag)})
	return wantConditionFailed("If-Match", err)
}

// verifyObject returns err, or the ETag of the object after it has checked its size.
func (p *prober) verifyObject(ctx context.Context, key string, err error) (etag string, _ error) {
	if errors.Is(err, fs.ErrPermission) {
		delete(p.objects, key)
	}
	if err != nil {
		return "", err
	}
	head, err := p.head(ctx, key)
	switch {
	case err != nil:
		return "", err
	case head.size != int64(len(p.content)):
		return "", fmt.Errorf("the object has %d bytes, want %d", head.size, len(p.content))
	}
	return head.etag, nil
}

// checkDeleteMany deletes all objects but that of CheckPut.
func (p *prober) checkDeleteMany(ctx context.Context, _ *Finding) error {
	keys := slices.DeleteFunc(slices.Sorted(maps.Keys(p.objects)), func(key string) bool { return key == p.key })
	if err := p.deleteAll(ctx, keys, nil); err != nil {
		return err
	}
	if err := p.verifyGone(ctx, p.key+"-stou"); err != nil {
		return err
	}
	clear(p.objects)
	p.objects[p.key] = true
	return nil
}

func (p *prober) checkDelete(ctx context.Context, _ *Finding) error {
	if err := p.delete(ctx, p.key, p.etag, nil); err != nil {
		return err
	}
	if err := p.verifyGone(ctx, p.key); err != nil {
		return err
	}
	delete(p.objects, p.key)
	return nil
}

// verifyGone checks that the object does not exist. Without permission to list, S3 answers 403 for a missing object.
func (p *prober) verifyGone(ctx context.Context, key string) error {
	_, err := p.head(ctx, key)
	switch {
	case err == nil:
		return fmt.Errorf("%q still exists", key)
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission):
		return nil
	}
	return err
}
