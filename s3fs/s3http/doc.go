// Package s3http sends HTTP requests to an S3 service and fails them when the service is silent for too long.
//
// [Client.Do] implements HTTPClient of the AWS SDK. It sends a request once and returns the response or an error. The
// timeout applies to progress, not to the whole request: a large body may take hours as long as bytes are sent.
//
//   - [WithSlow] marks a request that S3 may take long to answer, such as a copy. Probe requests show meanwhile that S3
//     is alive.
//   - [WithExpect] delays the body of a request until S3 has answered 100 Continue. A service that does not support
//     Expect gets the body with the next attempt.
//   - [WithRunning] does so unless S3 has just answered another request, so that a stopped server cannot execute the
//     request when it runs again.
//   - [WithAttempts] marks the attempts of one operation, so that later ones profit from the results of earlier ones.
//   - [WithBrief] marks an operation for which the caller has already waited for a silent S3.
//
// A [SilentError] means that S3 did not answer in time. It reports whether a retry makes sense.
//
// The package imports only the standard library and proxy/stall. Callers sign, encode and retry requests, follow
// redirects and read bodies. They also remember whether a service supports Expect, see [Config].
package s3http
