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
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return "S3 says " + strings.TrimRight(api.ErrorCode()+", "+api.ErrorMessage(), "., ")
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e.Error()
	}
	return err.Error()
}

// allow is the advice, to be appended, for what is not permitted.
func allow(found s3fs.Finding) string {
	if errors.Is(found.Err, fs.ErrPermission) && found.Action != "" {
		return "; allow " + found.Action
	}
	return ""
}
