package s3demo

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rclone/gofakes3"
)

// An upload is a multipart upload that runs. Its record and those of its parts lie in a directory of its own.
type upload struct {
	ID        string             `json:"id"`
	Key       escaped            `json:"key"`
	Began     time.Time          `json:"began"`
	Meta      map[string]escaped `json:"meta,omitempty"`
	Algorithm string             `json:"algorithm,omitempty"` // of the checksums, in lower case
	Composite bool               `json:"composite,omitempty"` // the object's checksum is one over those of its parts

	parts map[int]part
}

// A part is one that has arrived whole.
type part struct {
	Number   int       `json:"number"`
	ETag     string    `json:"etag"`
	Checksum string    `json:"checksum,omitempty"` // in base64, by the algorithm of the upload
	Modified time.Time `json:"modified"`
	Piece    piece     `json:"piece"`
}

func (u *upload) pieces() (all []piece) {
	for _, p := range u.parts {
		all = append(all, p.Piece)
	}
	return all
}

func (b *bucket) uploadFile(id string, elem ...string) string {
	return filepath.Join(append([]string{b.dir, "uploads", id}, elem...)...)
}

// loadUploads reads the uploads that run. One that became an object ended just before the process did.
func (b *bucket) loadUploads(completed map[string]bool, used map[string]int) error {
	dirs, err := os.ReadDir(filepath.Join(b.dir, "uploads"))
	if err != nil {
		return err
	}
	for _, d := range dirs {
		u, err := load[upload](b.uploadFile(d.Name(), "upload"))
		if os.IsNotExist(err) || err == nil && completed[u.ID] {
			if err := os.RemoveAll(b.uploadFile(d.Name())); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		u.parts = map[int]part{}
		err = loadAll(b.uploadFile(u.ID), func(p *part) {
			u.parts[p.Number] = *p
			used[p.Piece.ID]++
		})
		if err != nil {
			return err
		}
		b.uploads[u.ID] = u
	}
	return nil
}

// upload finds an upload and its bucket; the caller holds s.mu.
func (s *Store) upload(bucketName, key, id string) (*bucket, *upload, error) {
	b, err := s.bucket(bucketName)
	if err != nil {
		return nil, nil, err
	}
	u := b.uploads[id]
	if u == nil || string(u.Key) != key {
		return nil, nil, gofakes3.ErrNoSuchUpload
	}
	return b, u, nil
}

// CreateMultipartUpload implements gofakes3.MultipartBackend. IDs sort by the time when the uploads began.
func (b backend) CreateMultipartUpload(ctx context.Context, bucketName, key string, meta map[string]string) (gofakes3.UploadID, error) {
	if id, ok := restoredID(ctx); ok {
		return gofakes3.UploadID(id), nil
	}
	if len(key) > gofakes3.KeySizeLimit {
		return "", gofakes3.ResourceError(gofakes3.ErrKeyTooLong, key)
	}
	now := time.Now().UTC()
	u := &upload{
		ID:    fmt.Sprintf("%016x%s", now.UnixNano(), strings.ToLower(rand.Text())),
		Key:   escaped(key),
		Began: now,
		Meta:  storedMeta(meta),
		parts: map[int]part{},
	}
	if err := u.chooseChecksum(ctx); err != nil {
		return "", err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	bucket, err := b.bucket(bucketName)
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(bucket.uploadFile(u.ID), 0o700); err != nil {
		return "", err
	}
	if err := save(b.path("tmp"), bucket.uploadFile(u.ID, "upload"), u); err != nil {
		return "", err
	}
	bucket.uploads[u.ID] = u
	return gofakes3.UploadID(u.ID), nil
}

// UploadPart implements gofakes3.MultipartBackend.
func (b backend) UploadPart(_ context.Context, bucketName, key string, id gofakes3.UploadID, number int, size int64, body io.Reader) (string, error) {
	algorithm, err := b.algorithm(bucketName, key, string(id))
	if err != nil {
		return "", err
	}
	sums := []hash.Hash{md5.New()}
	if h := newChecksum(algorithm); h != nil {
		sums = append(sums, h)
	}
	p := part{Number: number}
	if p.Piece, err = b.contents.write(body, size, sums...); err != nil {
		return "", err
	}
	p.Modified = time.Now().UTC().Truncate(time.Second)
	p.ETag = hex.EncodeToString(sums[0].Sum(nil))
	if len(sums) > 1 {
		p.Checksum = base64.StdEncoding.EncodeToString(sums[1].Sum(nil))
	}
	if err := b.addPart(bucketName, key, string(id), p); err != nil {
		b.contents.drop([]piece{p.Piece})
		return "", err
	}
	return quoted(p.ETag), nil
}

// algorithm returns that of an upload's checksums, or "".
func (s *Store) algorithm(bucketName, key, id string) (string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, u, err := s.upload(bucketName, key, id)
	if err != nil {
		return "", err
	}
	return u.Algorithm, nil
}

// addPart makes p a part of an upload, which may have ended since the part began to arrive.
func (s *Store) addPart(bucketName, key, id string, p part) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, u, err := s.upload(bucketName, key, id)
	if err != nil {
		return err
	}
	if err := save(s.path("tmp"), b.uploadFile(id, fmt.Sprintf("%05d.json", p.Number)), p); err != nil {
		return err
	}
	if old, ok := u.parts[p.Number]; ok {
		s.contents.drop([]piece{old.Piece})
	}
	u.parts[p.Number] = p
	return nil
}

// AbortMultipartUpload implements gofakes3.MultipartBackend.
func (b backend) AbortMultipartUpload(_ context.Context, bucketName, key string, id gofakes3.UploadID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	bucket, u, err := b.upload(bucketName, key, string(id))
	if err != nil {
		return err
	}
	if err := b.discard(bucket.uploadFile(u.ID)); err != nil {
		return err
	}
	delete(bucket.uploads, u.ID)
	b.contents.drop(u.pieces())
	return nil
}
