package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net"
	"strconv"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/s3ftpd/s3ftpd/s3fs"
)

// checkWords are what a check is called when it succeeded and when it failed, and what goes without it; no loss = nothing works then.
var checkWords = map[s3fs.Check]struct{ ok, failed, loss string }{
	s3fs.CheckBucket: {ok: "the bucket answers", failed: "the bucket does not answer"},
	s3fs.CheckPut:    {ok: "an object can be put", failed: "an object cannot be put, and what needs one is not tried"},
	s3fs.CheckAttributes: {"it has the attributes that are configured", "it lacks attributes that are configured",
		"files are stored without them: check --storage-class, --sse and --tags"},
	s3fs.CheckRead: {ok: "it can be read, and is what was put", failed: "it cannot be read"},
	s3fs.CheckList: {ok: "it is listed", failed: "it is not listed"},
	s3fs.CheckDamaged: {"content that was damaged on its way is refused", "content that was damaged on its way is not refused",
		"what S3 gets is not verified: try another --checksum"},
	s3fs.CheckPutNew: {"STOU: If-None-Match holds when an object is put", "STOU: If-None-Match does not hold when an object is put",
		"STOU may replace a file that appears at the same moment"},
	s3fs.CheckPutUnchanged: {"APPE: If-Match holds when an object is put", "APPE: If-Match does not hold when an object is put",
		"APPE may replace what another writes at the same moment"},
	s3fs.CheckCopy: {ok: "an object can be copied", failed: "an object cannot be copied"},
	s3fs.CheckCopyNew: {"RNTO: If-None-Match holds when an object is copied", "RNTO: If-None-Match does not hold when an object is copied",
		"RNTO of a directory may replace a file that appears at the new name at the same moment"},
	s3fs.CheckMultipart: {ok: "an object can be uploaded in parts, and HEAD shows it", failed: "an object cannot be uploaded in parts"},
	s3fs.CheckPartCopy: {"a part can be copied from an object", "a part cannot be copied from an object",
		"nothing can be appended to files of 5 MiB and more, and files over 5 GiB cannot be renamed"},
	s3fs.CheckCompleteMatch: {"If-None-Match and If-Match hold when a multipart upload is completed",
		"conditions do not hold when a multipart upload is completed",
		"STOU and APPE may replace what another writes at the same moment"},
	s3fs.CheckResume: {"an upload that breaks can be resumed", "an upload that breaks cannot be resumed",
		"clients begin such uploads again: --resume 0 saves the requests"},
	s3fs.CheckAbort: {ok: "a multipart upload can be aborted", failed: "a multipart upload cannot be aborted"},
	s3fs.CheckLifecycle: {"the bucket aborts multipart uploads that are never completed",
		"the bucket is not known to abort multipart uploads that are never completed",
		"their parts stay, unseen and billed: give the bucket a lifecycle rule with AbortIncompleteMultipartUpload, unless the service does that by itself"},
	s3fs.CheckDeleteMatch: {"a deletion with If-Match spares what was replaced", "a deletion with If-Match does not spare what was replaced",
		"a rename may delete what another writes to the old name at the same moment"},
	s3fs.CheckDeleteMany: {"objects can be deleted, many at once", "many objects cannot be deleted at once",
		"files that were renamed with their directory stay under the old name too"},
	s3fs.CheckDelete: {ok: "an object can be deleted", failed: "an object cannot be deleted"},
	s3fs.CheckLeft:   {failed: "left behind, and to be removed by hand"},
}

// checksumWords are the checksums that an object was put with.
var checksumWords = map[string]string{"crc32c": "a CRC32C checksum", "crc32": "a CRC32 checksum", "sha256": "a SHA-256 checksum",
	"md5": "an MD5 checksum", "none": "no checksum"}

// attributeOptions are the options that configure the attributes of objects.
var attributeOptions = map[string]string{"x-amz-storage-class": "--storage-class", "x-amz-server-side-encryption": "--sse", "x-amz-tagging-count": "--tags"}

// checkFindings prints a line for each finding, until ctx ends: what fails then has been broken off.
func checkFindings(ctx context.Context, r *report, findings iter.Seq[s3fs.Finding]) {
	for found := range findings {
		if ctx.Err() != nil {
			return
		}
		words := checkWords[found.Check]
		switch {
		case found.Err == nil:
			r.ok("%s%s", words.ok, detail(found))
		case found.Check == s3fs.CheckBucket:
			r.fail("%s: %s; %s", words.failed, reason(found.Err), advice(found.Err))
		case found.Check == s3fs.CheckFeature:
			r.note("%s: %s; %s%s", unsupported(found.Refusal), reason(found.Err), instead(found.Refusal.Feature), remedy(found))
		case found.Required:
			r.fail("%s%s: %s%s", words.failed, leftBehind(found.Left), reason(found.Err), remedy(found))
		default:
			r.note("%s: %s; %s%s", words.failed, why(found), words.loss, remedy(found))
		}
	}
}

// detail is what else there is to say of a check that succeeded, to be appended.
func detail(found s3fs.Finding) string {
	var text string
	switch {
	case found.Check == s3fs.CheckPut:
		text = "with " + checksumWords[found.Checksum]
	case found.Check == s3fs.CheckAttributes:
		var kept []string
		for _, a := range found.Attributes {
			kept = append(kept, attributeOptions[a.Header]+" "+a.Kept)
		}
		text = strings.Join(kept, ", ")
	case found.OtherETag:
		text = "though with another ETag than CompleteMultipartUpload told"
	case found.Check == s3fs.CheckLifecycle:
		text = fmt.Sprintf("%d days after they were begun", found.AbortDays)
	}
	if text != "" {
		text = ", " + text
	}
	return text
}

// why is why an optional check failed: the attributes that differ, or the error.
func why(found s3fs.Finding) string {
	var lacks []string
	for _, a := range found.Attributes {
		if a.Differs() {
			lacks = append(lacks, fmt.Sprintf("%s is %q, not %q", attributeOptions[a.Header], a.Kept, a.Configured))
		}
	}
	if len(lacks) > 0 {
		return strings.Join(lacks, ", ")
	}
	return reason(found.Err)
}

// leftBehind names what the checks could not remove, to be appended.
func leftBehind(left []s3fs.LeftBehind) string {
	var names []string
	for _, l := range left {
		name := strconv.Quote(l.Key)
		if l.UploadID != "" {
			name = fmt.Sprintf("the upload %s of %s", l.UploadID, name)
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return ""
	}
	return ": " + strings.Join(names, ", ")
}

// unsupported names a feature that the service refused.
func unsupported(r s3fs.Refusal) string {
	text := "not supported: " + string(r.Feature)
	if r.Scope != "" {
		text += " (" + r.Scope + ")"
	}
	return text
}

// instead says what is done without a feature, and which option helps.
func instead(x s3fs.Feature) string {
	text := x.Instead()
	if option := x.Option(); option != "" {
		text += "; what helps: " + option
	}
	return text
}

// reason is why something failed, in S3's words where S3 has said something, else in the network's.
func reason(err error) string {
	if region, ok := errors.AsType[*s3fs.RegionError](err); ok {
		return region.Error()
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return "S3 says " + strings.TrimRight(api.ErrorCode()+", "+api.ErrorMessage(), "., ")
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e.Error()
	}
	return err.Error()
}

// remedy is what may help against a finding, to be appended.
func remedy(found s3fs.Finding) string {
	text := s3fs.Advice(found.Err)
	if errors.Is(found.Err, fs.ErrPermission) && !strings.Contains(text, found.Action) {
		text = strings.TrimSuffix("allow "+found.Action+"; "+text, "; ")
	}
	if text != "" {
		text = "; " + text
	}
	return text
}
