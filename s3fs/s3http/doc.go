// Package s3http sends HTTP requests to an S3 service and fails them when the service is silent for too long.
//
// [Client.Do] has the signature of the HTTPClient of the AWS SDK. It sends a request once and returns its answer, or
// an error. A deadline applies to progress, not to a whole request: a large body may take hours as long as it moves.
//
//   - [WithSlow] marks a request that S3 may work on for long, such as a copy. Probe requests show meanwhile that S3 is
//     alive.
//   - [WithExpect] marks a request whose body is sent only after S3 has answered 100 Continue, so that a stopped
//     server cannot execute it when it runs again. Services without support for Expect get the body anyway, on the
//     next attempt.
//   - [WithAttempts] lets the attempts of one operation share what they learn; [WithBrief] marks an operation whose
//     client has already waited for a silent S3.
//
// A [SilentError] is a request that S3 did not answer in time. It says whether another attempt makes sense.
//
// The package imports the standard library and proxy/stall alone. It does not sign, encode or retry requests, follows no
// redirect, and reads no body: a caller does all of that. It keeps no record of services that lack Expect, but asks
// Config.Expects.
package s3http
