package main

import (
	"errors"
	"io/fs"
	"net"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/s3ftpd/s3ftpd/s3fs"
)

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
