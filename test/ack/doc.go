// Package ack checks the promise of s3ftpd: acknowledged operations are durable and exact, and refused ones change nothing.
//
// Clients run seeded operations concurrently on a few names, by FTP, SFTP and SCP, through one or two processes of the built program,
// while connections and S3 fail. They log in as users of different permissions, who share the bucket. After each round the bucket and
// all data that was read are compared with a model of every name: some order of the operations must explain them. The failure prints a
// command that replays its seed.
//
//	go test ./test/ack                                       // as in CI
//	go test ./test/ack -run TestSeed -ack.seed 7 -ack.ops 2000
//	go test ./test/ack -run TestSeed -ack.for 1h -timeout 2h // new seeds for an hour
//
// TestBrokenBuilds proves that the checker finds faults: it builds the program with injected faults, see broken_test.go, and the
// recorded seeds must find them.
package ack
