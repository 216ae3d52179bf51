// Package ack checks the promise of s3ftpd: what the server acknowledged is durable and exact, and what it refused did no harm.
//
// Clients run seeded operations at the same time on a few names, through one or two processes of the built program, while connections
// and S3 fail. After each round the bucket, and all that was read, is compared with a model of every name: there must be an
// order of the operations that explains it. A failing seed is replayed by the command that the failure prints.
//
//	go test ./test/ack                                       // what CI runs
//	go test ./test/ack -run TestSeed -ack.seed 7 -ack.ops 2000
//	go test ./test/ack -run TestSeed -ack.for 1h -timeout 2h // new seeds for an hour
//
// TestBrokenBuilds proves that the checker finds faults: it builds the program with faults put in, see broken_test.go, and each of
// them must be found by its recorded seed.
package ack
