package s3fs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// once makes a request be tried no more than once: by one that is to fail, or where the sender decides what follows.
func once(o *s3.Options) { o.RetryMaxAttempts = 1 }

func (p *prober) answers(ctx context.Context) (string, error) {
	_, err := p.page(ctx, p.prefix, "", "", 1)
	return "", err
}

func (p *prober) putFirst(ctx context.Context) (string, error) {
	etag, err := p.put(ctx, p.key, p.content, asItIs)
	if err == nil {
		p.etag = etag
	}
	return "with " + p.checksumName(), err
}

func (p *prober) checksumName() string {
	return map[algorithm]string{crc32C: "a CRC32C checksum", crc32IEEE: "a CRC32 checksum", sha2: "a SHA-256 checksum",
		md5Sum: "an MD5 checksum", none: "no checksum"}[p.client.algorithm()]
}

// put puts an object, with the checksum of what is claimed to be its content.
func (p *prober) put(
	ctx context.Context, key string, claimed []byte, change func(*s3.PutObjectInput), options ...func(*s3.Options),
) (etag string, err error) {
	before := p.made[key]
	p.made[key] = true
	err = p.client.checked(func(a algorithm) error {
		in := &s3.PutObjectInput{Bucket: &p.bucket, Key: &key, Body: bytes.NewReader(p.content), ContentLength: aws.Int64(int64(len(p.content)))}
		p.attributes.onPut(in)
		sumOf(a, claimed).set(&in.ChecksumCRC32C, &in.ChecksumCRC32, &in.ChecksumSHA256, &in.ContentMD5)
		change(in)
		out, err := p.api.PutObject(ctx, in, options...)
		if err == nil {
			etag = unquote(out.ETag)
		}
		return err
	})
	if errors.Is(err, fs.ErrPermission) && !before {
		delete(p.made, key)
	}
	return etag, err
}

// asItIs changes nothing.
func asItIs(*s3.PutObjectInput) {}

func sumOf(a algorithm, content []byte) checksum {
	h := a.hash()
	h.Write(content)
	return checksum{a, h.Sum(nil)}
}

func (p *prober) readBack(ctx context.Context) (string, error) {
	out, err := p.api.GetObject(ctx, &s3.GetObjectInput{Bucket: &p.bucket, Key: &p.key})
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	got, err := io.ReadAll(io.LimitReader(out.Body, int64(len(p.content))+1))
	if err == nil && !bytes.Equal(got, p.content) {
		err = errors.New("it is not what was put")
	}
	return "", err
}

func (p *prober) listed(ctx context.Context) (string, error) {
	page, err := p.page(ctx, p.key, "/", "", 0)
	if err != nil {
		return "", err
	}
	if !slices.ContainsFunc(page.objects, func(o object) bool { return o.key == p.key && o.size == int64(len(p.content)) }) {
		return "", errors.New("it is missing in the listing")
	}
	return "", nil
}

// damaged sends what does not fit its checksum.
func (p *prober) damaged(ctx context.Context) (string, error) {
	if p.client.algorithm() == none {
		return "", errors.New("no checksums are sent, as is configured")
	}
	_, err := p.put(ctx, p.key+"-damaged", []byte("another content"), asItIs, once)
	if err == nil {
		return "", errors.New("the service takes no notice of checksums")
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok && slices.Contains(badSum, api.ErrorCode()) {
		return "", nil
	}
	return "", err
}

func (p *prober) conditionalPut(ctx context.Context) (string, error) {
	for _, c := range []struct {
		header string
		set    func(*s3.PutObjectInput)
	}{
		{"If-None-Match", func(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String("*") }},
		{"If-Match", func(in *s3.PutObjectInput) { in.IfMatch = aws.String(noETag) }},
	} {
		etag, err := p.put(ctx, p.key, p.content, c.set)
		if err == nil {
			p.etag = etag
		}
		if err := held(c.header, err); err != nil {
			return "", err
		}
	}
	return "", nil
}

// noETag is no object's.
const noETag = `"00000000000000000000000000000000"`

// held says what is wrong with the answer to a request whose condition does not hold.
func held(header string, err error) error {
	switch {
	case err == nil:
		return fmt.Errorf("the service ignores %s", header)
	case precondition(err):
		return nil
	}
	return err
}

func (p *prober) copied(ctx context.Context) (string, error) {
	target := p.key + "-copied"
	p.made[target] = true
	_, err := p.copy(ctx, object{key: p.key, size: int64(len(p.content)), etag: p.etag}, target, condition{})
	return "", p.arrived(ctx, target, err)
}

// arrived checks that an object has the content's size, unless there was an error before.
func (p *prober) arrived(ctx context.Context, key string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		delete(p.made, key)
	}
	if err != nil {
		return err
	}
	is, err := p.head(ctx, key)
	if err == nil && is.size != int64(len(p.content)) {
		err = fmt.Errorf("%d bytes have become %d", len(p.content), is.size)
	}
	return err
}

// deletedTogether deletes all objects but the first.
func (p *prober) deletedTogether(ctx context.Context) (string, error) {
	if _, err := p.put(ctx, p.key+"-too", p.content, asItIs); err != nil {
		return "", err
	}
	keys := slices.DeleteFunc(slices.Sorted(maps.Keys(p.made)), func(key string) bool { return key == p.key })
	if err := p.deleteAll(ctx, keys, nil); err != nil {
		return "", err
	}
	if err := p.isGone(ctx, keys[len(keys)-1]); err != nil {
		return "", err
	}
	clear(p.made)
	p.made[p.key] = true
	return "", nil
}

func (p *prober) deleted(ctx context.Context) (string, error) {
	if err := p.delete(ctx, p.key, nil); err != nil {
		return "", err
	}
	if err := p.isGone(ctx, p.key); err != nil {
		return "", err
	}
	delete(p.made, p.key)
	return "", nil
}

// isGone checks that there is no such object any more. Without permission to list, S3 does not say so.
func (p *prober) isGone(ctx context.Context, key string) error {
	_, err := p.head(ctx, key)
	switch {
	case err == nil:
		return fmt.Errorf("%q is still there", key)
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission):
		return nil
	}
	return err
}
