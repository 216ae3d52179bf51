package s3fs

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"math/rand/v2"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Whoever resumes a multipart upload leaves a mark with it: a part that will not be published, numbered before the others,
// whose content lists the ETags of those that go before its own. Other processes see by it that the upload is not theirs
// any more. As one of them may be sending a part already, and that can replace one of the new session's, only what a
// mark lists can be resumed: what has come to it since may be of two sessions, whose parts do not join.

// markNonce bounds the random length of what follows the list in a mark, by which two marks of one list differ.
const markNonce = 4096

// mark returns the mark that whoever resumed the upload last has left, nil if there is none, and the parts without it.
func mark(parts []types.Part) (*types.Part, []types.Part) {
	if len(parts) > 0 && aws.ToInt32(parts[0].PartNumber) == firstPart-1 {
		return &parts[0], parts[1:]
	}
	return nil, parts
}

func markETag(m *types.Part) string {
	if m == nil {
		return ""
	}
	return unquote(m.ETag)
}

// marked returns those of the parts that a mark lists: as many as there can be, none if they are not what they were.
func marked(m *types.Part, parts []types.Part) []types.Part {
	var text strings.Builder
	fit := 0
	for i, p := range parts {
		text.WriteString(unquote(p.ETag) + "\n")
		nonce := aws.ToInt64(m.Size) - int64(text.Len())
		if nonce < 0 {
			break
		}
		if nonce < markNonce && isOf(m, append([]byte(text.String()), make([]byte, nonce)...)) {
			fit = i + 1
		}
	}
	return parts[:fit]
}

// isOf reports whether a part has that content, as far as S3 tells.
func isOf(p *types.Part, content []byte) bool {
	sum := partSum(*p)
	if sum.value != nil {
		h := sum.hash()
		h.Write(content)
		return bytes.Equal(h.Sum(nil), sum.value)
	}
	of := md5.Sum(content)
	return unquote(p.ETag) == hex.EncodeToString(of[:])
}

// putMark leaves a mark that lists the parts.
func (u *upload) putMark(parts []sent) (err error) {
	var text bytes.Buffer
	for _, p := range parts {
		text.WriteString(unquote(p.etag) + "\n")
	}
	text.Write(make([]byte, rand.IntN(markNonce)))
	content := &part{slabs: [][]byte{text.Bytes()}, size: int64(text.Len()), hash: noHash{}, sealed: true}
	u.mark, _, err = u.sendPart(-1, content)
	return err
}
