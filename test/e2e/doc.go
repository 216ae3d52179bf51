// Package e2e is the index of the end-to-end tests: the built binary, real sockets, a real S3 server and real clients. They
// work on package harness, which builds and starts s3ftpd and has clients, a view of the bucket, and proxies that fail. Package
// scenario has what real clients of FTP and SFTP are asked to do.
//
//	go test ./test/e2e/clients      // real clients up and down, byte-exact, with odd names and charsets: docs/clients.md
//	go test ./test/e2e/sftp         // real SFTP clients, byte-exact, killed and interrupted: docs/sftp-clients.md
//	go test ./test/e2e/rclone       // rclone: trees synchronized and mounted, kept times, killed uploads
//	go test ./test/e2e/conformance  // the checks of test/conformance and rclone's own suite: docs/conformance.md
//	go test ./test/e2e/tls          // real clients over TLS, session reuse, uploads without close_notify: docs/tls.md
//	go test ./test/e2e/netns        // firewalls, NAT, balancers, IPv6 and strangers between network namespaces; needs root
//	go test ./test/e2e/faults       // S3 fails, stops or is killed: objects, broken uploads and replies after that
//	go test ./test/e2e/transfers    // interrupted transfers: clients and s3ftpd killed, resuming, temporary names, MODE Z
//	go test ./test/e2e/tenants      // users of one s3ftpd do not reach each other's places; reloads; no secret is shown
//	go test ./test/e2e/load         // many sessions, slow uploads, a flood of logins; benchmarks of features
//	go test ./test/e2e/docs         // the commands of README.md and docs/, and the container
//
// To run one test: go test ./test/e2e/tls -run 'TestTLSClients$'. A test is skipped if a server or client that it needs is not
// installed; test/all installs them.
package e2e
