package s3demo

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// An apiError is an error response of S3.
type apiError struct {
	code    string
	message string
	details []string    // names and values of more elements of the body
	header  http.Header // more headers of the response; nil = none
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// refuse returns an error with the message of S3 for the code. details are pairs of name and value.
func refuse(code string, details ...string) *apiError {
	return &apiError{code: code, message: errorCodes[code].message, details: details}
}

// withMessage replaces the message, and returns e.
func (e *apiError) withMessage(format string, args ...any) *apiError {
	e.message = fmt.Sprintf(format, args...)
	return e
}

// invalidArgument returns an error for the value of a header or query parameter.
func invalidArgument(name, value, message string) error {
	return refuse("InvalidArgument", "ArgumentName", name, "ArgumentValue", value).withMessage("%s", message)
}

// invalidRequest returns an InvalidRequest error with a message.
func invalidRequest(format string, args ...any) error {
	return refuse("InvalidRequest").withMessage(format, args...)
}

// fail sends an error response. An error other than apiError is an internal error.
func (q *request) fail(err error) {
	refused, ok := errors.AsType[*apiError](err)
	if !ok {
		q.store.log.Error("embedded S3 failed", "method", q.r.Method, "path", q.r.URL.Path, "err", err)
		refused = refuse("InternalError")
	}
	status := errorCodes[refused.code].status
	q.store.log.Debug("embedded S3 refused a request", "method", q.r.Method, "path", q.r.URL.Path, "status", status, "code", refused.code)
	_, _ = io.CopyN(io.Discard, q.r.Body, maxIgnored) // a client may not read the response before it has sent its body
	for name, values := range refused.header {
		q.w.Header()[name] = values
	}
	if q.r.Method == http.MethodHead || status == http.StatusNotModified {
		q.w.WriteHeader(status) // without a body
		return
	}
	q.w.Header().Set("Content-Type", "application/xml")
	q.w.WriteHeader(status)
	fmt.Fprint(q.w, xml.Header, refused.document(q.r.URL.Path, q.id))
}

// maxIgnored limits the bytes that are read of a refused body.
const maxIgnored = 64 << 20

// document returns the body of the response.
func (e *apiError) document(resource, requestID string) string {
	var b strings.Builder
	b.WriteString("<Error>")
	elements := append([]string{"Code", e.code, "Message", e.message}, e.details...)
	elements = append(elements, "Resource", resource, "RequestId", requestID, "HostId", hostID)
	for i := 0; i < len(elements); i += 2 {
		fmt.Fprintf(&b, "<%s>%s</%s>", elements[i], escapeText(elements[i+1]), elements[i])
	}
	b.WriteString("</Error>")
	return b.String()
}

// errorCodes has the status and message of each code.
// Source: Amazon S3 API Reference, "Error responses", and the "Errors" of each operation.
var errorCodes = map[string]struct {
	status  int
	message string
}{
	"AccessControlListNotSupported":           {400, "The bucket does not allow ACLs"},
	"AccessDenied":                            {403, "Access Denied"},
	"AccessForbidden":                         {403, "CORSResponse: CORS is not enabled for this bucket."},
	"AuthorizationHeaderMalformed":            {400, "The authorization header that you provided is not valid."},
	"AuthorizationQueryParametersError":       {400, "The authorization query parameters that you provided are not valid."},
	"BadDigest":                               {400, "The Content-MD5 or checksum value that you specified did not match what the server received."},
	"BucketAlreadyOwnedByYou":                 {409, "Your previous request to create the named bucket succeeded and you already own it."},
	"BucketNotEmpty":                          {409, "The bucket you tried to delete is not empty"},
	"ConditionalRequestConflict":              {409, "The conditional request cannot succeed due to a conflicting operation against this resource."},
	"EntityTooLarge":                          {400, "Your proposed upload exceeds the maximum allowed size"},
	"EntityTooSmall":                          {400, "Your proposed upload is smaller than the minimum allowed size"},
	"IllegalVersioningConfigurationException": {400, "The Versioning element must be specified"},
	"IncompleteBody":                          {400, "You did not provide the number of bytes specified by the Content-Length HTTP header."},
	"InternalError":                           {500, "We encountered an internal error. Please try again."},
	"InvalidAccessKeyId":                      {403, "The AWS access key ID that you provided does not exist in our records."},
	"InvalidArgument":                         {400, "Invalid Argument"},
	"InvalidBucketName":                       {400, "The specified bucket is not valid."},
	"InvalidDigest":                           {400, "The Content-MD5 you specified was invalid."},
	"InvalidObjectState":                      {403, "The operation is not valid for the object's storage class"},
	"InvalidPart": {400, "One or more of the specified parts could not be found.  The part may not have been uploaded, " +
		"or the specified entity tag may not match the part's entity tag."},
	"InvalidPartNumber":                              {416, "The requested partnumber is not satisfiable"},
	"InvalidPartOrder":                               {400, "The list of parts was not in ascending order. Parts must be ordered by part number."},
	"InvalidRange":                                   {416, "The requested range is not satisfiable"},
	"InvalidRequest":                                 {400, "Invalid Request"},
	"InvalidStorageClass":                            {400, "The storage class you specified is not valid"},
	"InvalidTag":                                     {400, "The tag provided was not a valid tag."},
	"InvalidURI":                                     {400, "Couldn't parse the specified URI."},
	"KeyTooLongError":                                {400, "Your key is too long"},
	"MalformedXML":                                   {400, "The XML you provided was not well-formed or did not validate against our published schema"},
	"MaxMessageLengthExceeded":                       {400, "Your request was too large."},
	"MetadataTooLarge":                               {400, "Your metadata headers exceed the maximum allowed metadata size"},
	"MethodNotAllowed":                               {405, "The specified method is not allowed against this resource."},
	"MissingContentLength":                           {411, "You must provide the Content-Length HTTP header."},
	"NoSuchBucket":                                   {404, "The specified bucket does not exist"},
	"NoSuchBucketPolicy":                             {404, "The bucket policy does not exist"},
	"NoSuchCORSConfiguration":                        {404, "The CORS configuration does not exist"},
	"NoSuchKey":                                      {404, "The specified key does not exist."},
	"NoSuchLifecycleConfiguration":                   {404, "The lifecycle configuration does not exist"},
	"NoSuchPublicAccessBlockConfiguration":           {404, "The public access block configuration was not found"},
	"NoSuchTagSet":                                   {404, "The TagSet does not exist"},
	"NoSuchUpload":                                   {404, "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."},
	"NoSuchVersion":                                  {404, "The specified version does not exist."},
	"NoSuchWebsiteConfiguration":                     {404, "The specified bucket does not have a website configuration"},
	"NotImplemented":                                 {501, "A header you provided implies functionality that is not implemented"},
	"NotModified":                                    {304, "Not Modified"},
	"ObjectLockConfigurationNotFoundError":           {404, "Object Lock configuration does not exist for this bucket"},
	"ObjectNotInActiveTierError":                     {403, "The source object of the COPY action is not in the active tier and is only stored in Amazon S3 Glacier."},
	"OwnershipControlsNotFoundError":                 {404, "The bucket ownership controls were not found"},
	"PreconditionFailed":                             {412, "At least one of the pre-conditions you specified did not hold"},
	"ReplicationConfigurationNotFoundError":          {404, "The replication configuration was not found"},
	"RequestTimeTooSkewed":                           {403, "The difference between the request time and the current time is too large."},
	"ServerSideEncryptionConfigurationNotFoundError": {404, "The server side encryption configuration was not found"},
	"SignatureDoesNotMatch":                          {403, "The request signature we calculated does not match the signature you provided. Check your key and signing method."},
	"XAmzContentSHA256Mismatch":                      {400, "The provided 'x-amz-content-sha256' header does not match what was computed."},
}
