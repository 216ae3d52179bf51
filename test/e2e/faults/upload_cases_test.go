package faults

import (
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// TestFaultsInUploads makes S3, or the connection to it, fail in each known way. After a 226 the bucket must have the content, after
// any other reply the old content; then the received parts can be resumed, or are gone.
func TestFaultsInUploads(t *testing.T) {
	t.Parallel() // it mostly waits
	f := newFaulty(t)
	harness.AtOnce(t, newAndReplaced(uploadFaults), f.upload)
}

const (
	smallSize = 100 << 10
	largeSize = 12 << 20 // in parts of 5, 5 and 2 MiB
)

func rules(r ...rule) []rule { return r }

var uploadFaults = map[string]uploadFault{
	"a small file is delayed":              {size: smallSize, rules: rules(when("PutObject", 1, late(300*time.Millisecond))), code: 226, holds: fresh},
	"a small file is reset in the middle":  {size: smallSize, rules: rules(when("PutObject", 1, resetAfter(1000))), code: 226, holds: fresh},
	"a small file is reset":                {size: smallSize, rules: rules(when("PutObject", 1, reset)), code: 226, holds: fresh},
	"a small file is always reset":         {size: smallSize, rules: rules(when("PutObject", always, reset)), code: 451, holds: before},
	"a small file is stored, answer lost":  {size: smallSize, rules: rules(when("PutObject", 1, lost)), code: 226, holds: fresh},
	"a small file is stored, answers lost": {size: smallSize, rules: rules(when("PutObject", always, lost)), code: 226, holds: fresh},
	"a small file is stored, 500":          {size: smallSize, rules: rules(when("PutObject", always, failAfter(500, "InternalError"))), code: 226, holds: fresh},
	"an empty file, answers lost":          {size: 0, rules: rules(when("PutObject", always, lost)), code: 226, holds: fresh},
	"a small file, 500 for a while":        {size: smallSize, rules: rules(when("PutObject", 2, refuse(500, "InternalError"))), code: 226, holds: fresh},
	"a small file, 503 for a while":        {size: smallSize, rules: rules(when("PutObject", 2, refuse(503, "SlowDown"))), code: 226, holds: fresh},
	"a small file, 429 for a while":        {size: smallSize, rules: rules(when("PutObject", 2, refuse(429, "TooManyRequests"))), code: 226, holds: fresh},
	"a small file, 503 for good":           {size: smallSize, rules: rules(when("PutObject", always, refuse(503, "SlowDown"))), code: 451, holds: before},
	"a small file, silence":                {size: smallSize, rules: rules(when("PutObject", 1, stall(smallSize))), code: 226, holds: fresh},
	"a small file, silence in the middle":  {size: smallSize, rules: rules(when("PutObject", 1, stall(1000))), code: 226, holds: fresh},
	"a small file, a bit flipped":          {size: smallSize, rules: rules(when("PutObject", 1, damage)), code: 226, holds: fresh},
	"a small file, always a bit flipped":   {size: smallSize, rules: rules(when("PutObject", always, damage)), code: 451, holds: before},
	"a small file, no permission":          {size: smallSize, rules: rules(when("PutObject", 1, refuse(403, "AccessDenied"))), code: 550, holds: before},
	"a small file, no space":               {size: smallSize, rules: rules(when("PutObject", 1, refuse(507, "XMinioStorageFull"))), code: 452, holds: before},
	"a small file, over the quota":         {size: smallSize, rules: rules(when("PutObject", 1, refuse(400, "XMinioAdminBucketQuotaExceeded"))), code: 452, holds: before},

	"appended, answer lost":      {verb: "APPE", size: smallSize, base: 100, rules: rules(when("PutObject", 1, lost)), code: 226, holds: fresh},
	"appended, answers lost":     {verb: "APPE", size: smallSize, base: 100, rules: rules(when("PutObject", always, lost)), code: 226, holds: fresh},
	"appended, GET ends early":   {verb: "APPE", size: smallSize, base: 100, rules: rules(when("GetObject", 1, after(10, ends))), code: 226, holds: fresh},
	"appended, GET reset":        {verb: "APPE", size: smallSize, base: 100, rules: rules(when("GetObject", always, reset)), code: 451, holds: before},
	"appended, copy lost":        {verb: "APPE", size: smallSize, base: 6 << 20, rules: rules(when("UploadPartCopy", 1, lost)), code: 226, holds: fresh},
	"appended, Error in 200":     {verb: "APPE", size: smallSize, base: 6 << 20, rules: rules(when("UploadPartCopy", 1, refuse(200, "InternalError"))), code: 226, holds: fresh},
	"appended, copy refused":     {verb: "APPE", size: smallSize, base: 6 << 20, rules: rules(when("UploadPartCopy", 1, refuse(403, "AccessDenied"))), code: 550, holds: before},
	"appended, Complete lost":    {verb: "APPE", size: smallSize, base: 6 << 20, rules: rules(when("CompleteMultipartUpload", 1, lost)), code: 226, holds: fresh},
	"appended, Complete refused": {verb: "APPE", size: smallSize, base: 6 << 20, rules: rules(when("CompleteMultipartUpload", 1, refuse(412, "PreconditionFailed"))), code: 450, holds: before},

	"no beginning for a while":      {size: largeSize, rules: rules(when("CreateMultipartUpload", 2, refuse(503, "SlowDown"))), code: 226, holds: fresh},
	"no beginning":                  {size: largeSize, rules: rules(when("CreateMultipartUpload", 1, refuse(403, "AccessDenied"))), code: 550, holds: before},
	"beginning lost":                {size: largeSize, rules: rules(when("CreateMultipartUpload", 1, lost)), code: 226, holds: fresh, stray: 1},
	"a part is delayed":             {size: largeSize, rules: rules(when("UploadPart 1", 1, late(300*time.Millisecond))), code: 226, holds: fresh},
	"a part reset in the middle":    {size: largeSize, rules: rules(when("UploadPart 2", 1, resetAfter(3<<20))), code: 226, holds: fresh},
	"a part reset":                  {size: largeSize, rules: rules(when("UploadPart 1", 1, reset)), code: 226, holds: fresh},
	"a part stored, answer lost":    {size: largeSize, rules: rules(when("UploadPart 3", 1, lost)), code: 226, holds: fresh},
	"a part, 500 for a while":       {size: largeSize, rules: rules(when("UploadPart 1", 2, refuse(500, "InternalError"))), code: 226, holds: fresh},
	"a part, 503 for a while":       {size: largeSize, rules: rules(when("UploadPart 2", 3, refuse(503, "SlowDown"))), code: 226, holds: fresh},
	"a part, silence":               {size: largeSize, rules: rules(when("UploadPart 2", 1, stall(5<<20))), code: 226, holds: fresh},
	"a part, silence in the middle": {size: largeSize, rules: rules(when("UploadPart 2", 1, stall(1<<20))), code: 226, holds: fresh},
	"a part, a bit flipped":         {size: largeSize, rules: rules(when("UploadPart 2", 1, damage)), code: 226, holds: fresh},
	"a part, a wrong ETag":          {size: largeSize, rules: rules(when("UploadPart 2", 1, mistag)), code: 451, holds: before, left: true},
	"a part is missing":             {size: largeSize, rules: rules(when("UploadPart 2", 1, swallow)), code: 451, holds: before, left: true},
	"the first part is missing":     {size: largeSize, rules: rules(when("UploadPart 1", 1, swallow)), code: 451, holds: before},
	"a part, no permission":         {size: largeSize, rules: rules(when("UploadPart 2", always, refuse(403, "AccessDenied"))), code: 550, holds: before, left: true},
	"the first part, no permission": {size: largeSize, rules: rules(when("UploadPart 1", always, refuse(403, "AccessDenied"))), code: 550, holds: before},
	"a part, no space":              {size: largeSize, rules: rules(when("UploadPart 3", always, refuse(507, "XMinioStorageFull"))), code: 452, holds: before, left: true},

	"Complete is delayed":                   {size: largeSize, rules: rules(when("CompleteMultipartUpload", 1, late(1500*time.Millisecond))), code: 226, holds: fresh},
	"Complete, 503 for a while":             {size: largeSize, rules: rules(when("CompleteMultipartUpload", 2, refuse(503, "SlowDown"))), code: 226, holds: fresh},
	"Complete, Error in 200":                {size: largeSize, rules: rules(when("CompleteMultipartUpload", always, refuse(200, "InternalError"))), code: 451, holds: before, left: true},
	"Complete, Error in 200 once":           {size: largeSize, rules: rules(when("CompleteMultipartUpload", 1, refuse(200, "InternalError"))), code: 226, holds: fresh},
	"Complete, Error in 200 but done":       {size: largeSize, rules: rules(when("CompleteMultipartUpload", 1, failAfter(200, "InternalError"))), code: 226, holds: fresh},
	"Complete done, answer lost":            {size: largeSize, rules: rules(when("CompleteMultipartUpload", 1, lost)), code: 226, holds: fresh},
	"Complete done, answers lost":           {size: largeSize, rules: rules(when("CompleteMultipartUpload", always, lost)), code: 226, holds: fresh},
	"Complete done, HEAD fails for a while": {size: largeSize, rules: rules(when("CompleteMultipartUpload", 1, lost), when("HeadObject", 2, refuse(503, "SlowDown"))), code: 226, holds: fresh},
	"Complete always reset":                 {size: largeSize, rules: rules(when("CompleteMultipartUpload", always, reset)), code: 451, holds: before, left: true},
	"Complete, InvalidPart":                 {size: largeSize, rules: rules(when("CompleteMultipartUpload", 1, refuse(400, "InvalidPart"))), code: 451, holds: before, left: true},
	"Complete, NoSuchUpload":                {size: largeSize, rules: rules(when("CompleteMultipartUpload", 1, refuse(404, "NoSuchUpload"))), code: 451, holds: before, left: true},
	"Complete, no permission":               {size: largeSize, rules: rules(when("CompleteMultipartUpload", 1, refuse(403, "AccessDenied"))), code: 550, holds: before, left: true},
	"Complete, a wrong checksum":            {size: largeSize, rules: rules(when("CompleteMultipartUpload", always, refuse(400, "BadDigest"))), code: 451, holds: before},
}
