// Package e2e tests the program from outside: the built binary, real sockets, a real S3 server, real clients.
package e2e
