package s3fs

import (
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

func TestJoinCRC(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, polynomial := range []uint32{crc32.Castagnoli, crc32.IEEE} {
		table := crc32.MakeTable(polynomial)
		for _, n := range []int{0, 1, 2, 7, 8, 255, 4096, 5<<20 + 3} {
			a, b := make([]byte, 1000), make([]byte, n)
			for i := range a {
				a[i] = byte(random.Uint32())
			}
			for i := range b {
				b[i] = byte(random.Uint32())
			}
			want := crc32.Checksum(append(a[:1000:1000], b...), table)
			if got := combineCRC(polynomial, crc32.Checksum(a, table), crc32.Checksum(b, table), int64(n)); got != want {
				t.Errorf("%#x, %d bytes: %#x, want %#x", polynomial, n, got, want)
			}
		}
	}
}

// MinIO verifies and stores each kind of checksum: for the whole object if those of the parts can be combined.
func TestChecksumModes(t *testing.T) {
	base := minio(t, "sums")
	f := NewFS(base, Options{Bucket: "sums", PartSize: minPart})
	for _, mode := range algorithms {
		t.Run(mode, func(t *testing.T) {
			base.checksum = mode
			for _, size := range []int{10, twoParts} {
				if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(size)), proxy.Write{}); err != nil {
					t.Fatal(err)
				}
				out, err := base.api.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &f.bucket, Key: new("f"), ChecksumMode: types.ChecksumModeEnabled})
				if err != nil {
					t.Fatal(err)
				}
				var got checksum
				switch {
				case out.ChecksumCRC32C != nil:
					got = checksum{crc32C, []byte(*out.ChecksumCRC32C)}
				case out.ChecksumCRC32 != nil:
					got = checksum{crc32IEEE, []byte(*out.ChecksumCRC32)}
				case out.ChecksumSHA256 != nil:
					got = checksum{sha256Sum, nil}
				}
				want := map[string]algorithm{"auto": crc32C, "crc32c": crc32C, "crc32": crc32IEEE, "sha256": sha256Sum}[mode]
				if got.algorithm != want || want == crc32C && string(got.value) != crcText(make([]byte, size)) {
					t.Errorf("%d bytes: S3 stores %q %q, want %q of the whole object", size, got.algorithm, got.value, want)
				}
			}
		})
	}
}

// MinIO refuses content that was changed after its checksum was computed.
func TestCorruptContentIsRefused(t *testing.T) {
	c := minio(t, "damage")
	noRetries(c)
	for _, mode := range []string{"crc32c", "crc32", "sha256", "md5"} {
		for _, size := range []int{1000, twoParts} {
			c.checksum = mode
			f := NewFS(c, Options{Bucket: "damage", PartSize: minPart})
			content := make([]byte, size)
			u, err := f.newUpload(t.Context(), "f", proxy.Write{}, 0)
			if err != nil {
				t.Fatal(err)
			}
			p := u.newPart()
			if err := u.fillPart(p, strings.NewReader(string(content))); err != errFull && err != io.EOF {
				t.Fatal(err)
			}
			p.buffers[0][17] ^= 1
			if size == 1000 {
				err = u.putSingle(p)
			} else {
				err = u.sendAll(p, zeros(1000))
			}
			u.close()
			if status(err) != http.StatusBadRequest {
				t.Errorf("%s, %d bytes: %v", mode, size, err)
			}
			if _, err := f.Stat(t.Context(), "/f"); err == nil {
				t.Errorf("%s, %d bytes: the file exists", mode, size)
			}
		}
	}
}

// sendAll sends the first part of a multipart upload, and the rest from more.
func (u *upload) sendAll(first *part, more io.Reader) error {
	if err := u.send(first); err != nil {
		return u.suspendOrAbort(err)
	}
	return u.receiveAndPublish(&sourceReader{ctx: u.ctx, src: storetest.Source(more)})
}

// noRetries disables retries, for faults that are permanent.
func noRetries(c *Client) {
	c.api = s3.New(c.api.Options(), func(o *s3.Options) { o.Retryer = aws.NopRetryer{} })
}

// MinIO compares the combined checksum of the parts with the whole content.
func TestCombinedChecksumIsVerified(t *testing.T) {
	c := minio(t, "whole")
	noRetries(c)
	f := NewFS(c, Options{Bucket: "whole", PartSize: minPart})
	u, err := f.newUpload(t.Context(), "f", proxy.Write{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer u.close()
	p := u.newPart()
	if err := u.fillPart(p, endless{}); err != errFull {
		t.Fatal(err)
	}
	err = u.sendAll(p, io.MultiReader(zeros(minPart+1000), readerFunc(func([]byte) (int, error) {
		u.sending.parts[1].size++ // which makes the sum wrong, and nothing else
		return 0, io.EOF
	})))
	if err == nil || errors.Is(err, io.EOF) {
		t.Errorf("error %v, want S3's", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// The test runs in a bubble, because an upload that takes more than a second is checked by one more request.
func TestRefusedChecksumIsReplaced(t *testing.T) {
	for _, refusalOf := range []*http.Response{
		refusal(501, "NotImplemented", "Header 'x-amz-checksum-crc32c' with value 'x' not implemented"),
		refusal(400, "InvalidRequest", "Unsupported header 'x-amz-checksum-crc32c' received for this API call."),
	} {
		text, _ := io.ReadAll(refusalOf.Body)
		synctest.Test(t, func(t *testing.T) { refusedChecksumIsReplaced(t, refusalOf.StatusCode, string(text)) })
	}
}

func refusedChecksumIsReplaced(t *testing.T, status int, text string) {
	s := newFake(t)
	s.fault = func(r *http.Request, call string) (*http.Response, error) {
		for header := range r.Header {
			if strings.HasPrefix(header, "X-Amz-Checksum-") {
				return response(status, text), nil
			}
		}
		return nil, nil
	}
	f := s.fs(Options{PartSize: minPart})
	for range 2 {
		if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(10)), proxy.Write{}); err != nil {
			t.Fatal(err)
		}
	}
	s.checkCalls("Put x3")
	if got := s.sentHeaders()[2].Get("Content-Md5"); got != "pj+cXcmbrQ4Se8pbzSMNWQ==" && len(got) != 24 {
		t.Errorf("Content-MD5 %q", got)
	}
	s.forget()
	if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(twoParts)), proxy.Write{}); err != nil {
		t.Fatal(err)
	}
	s.checkCalls("Create", "Part 1", "Part 2", "Complete")
}

func TestWrongChecksumIsNotReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		s.fault = func(*http.Request, string) (*http.Response, error) {
			return refusal(400, "BadDigest", "the checksum did not match"), nil
		}
		if _, err := s.fs(Options{}).Put(t.Context(), "/f", storetest.Source(zeros(10)), proxy.Write{}); err == nil {
			t.Error("no error")
		}
		s.checkCalls("Put x4")
	})
}
