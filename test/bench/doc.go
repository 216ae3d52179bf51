// Package bench compares s3ftpd with direct use of S3 and with other FTP servers.
//
// Each workload runs in rounds. In a round, all subjects move the same bytes, one after the other, so that a change in the
// speed of the machine affects all of them. The medians and the ratios to direct use are the figures to compare; CPU time and
// memory are those of the server's process alone.
//
//	go test -run '^$' -bench . -benchtime 5x -timeout 4h ./test/bench
//
// With -args -write, it writes the results to docs/performance.json, and the tables and plots (SVG) from them to docs. A run of
// some benchmarks (-bench All/minio) replaces their results only. S3FTPD_BENCH_BEFORE names the s3ftpd program of an earlier
// build, which becomes a subject too. -args -small moves few and small files, to see that everything runs; its figures mean
// nothing.
//
// The services are:
//
//   - null: an S3 server in a process of its own, which forgets what it reads and sends zeros. It costs so little CPU
//     time that differences between two builds show.
//   - minio: a MinIO server, whose objects are compared with what was sent.
//   - far: the same MinIO behind a proxy that adds 20 ms to each round trip and limits a connection to 60 MB/s.
//
// The other servers are rclone serve ftp, the FTP server of MinIO, and vsftpd on files in memory as the ceiling. One whose program
// is missing is not measured; an error of one is its result.
//
// BenchmarkMemory measures idle sessions, and the memory that is given back after transfers. BenchmarkSessions takes ten minutes.
package bench
