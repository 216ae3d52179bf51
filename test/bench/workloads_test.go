package bench

import (
	"fmt"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// A workload is one row of the results.
type workload struct {
	Service     string // null, minio or far
	Name        string
	Kind        string // put, get, LIST or MLSD
	Connections int
	Files       int   // in all, or entries of a listing
	Size        int64 // of a file
	TLS         bool
	SFTP        bool
	OpenSSH     bool // the client of SFTP is OpenSSH's
	MemoryMiB   int  // --memory of s3ftpd; 0 = its default
	NoPeers     bool // without the servers of others
}

// workloads are all rows.
var workloads = []workload{
	put("null", "1 GiB up", 1, 1, harness.GiB),
	get("null", "1 GiB down", 1, 1, harness.GiB),
	put("null", "1 GiB up, TLS", 1, 1, harness.GiB).secure(),
	get("null", "1 GiB down, TLS", 1, 1, harness.GiB).secure(),
	put("null", "16 files of 64 MiB up, --memory 64MiB", 16, 16, 64*harness.MiB).limited(64),
	put("null", "4 KiB up, 1 connection", 1, 2000, 4*harness.KiB),
	put("null", "4 KiB up, 16 connections", 16, 4000, 4*harness.KiB),
	get("null", "4 KiB down, 1 connection", 1, 2000, 4*harness.KiB),
	get("null", "4 KiB down, 16 connections", 16, 4000, 4*harness.KiB),
	list("null", "LIST of 10,000 files", "LIST", 10_000),
	list("null", "MLSD of 10,000 files", "MLSD", 10_000),
	list("null", "LIST of 1,000,000 files", "LIST", 1_000_000).withoutPeers(),
	put("minio", "1 GiB up", 1, 1, harness.GiB),
	get("minio", "1 GiB down", 1, 1, harness.GiB),
	put("minio", "16 files of 64 MiB up", 16, 16, 64*harness.MiB),
	put("minio", "16 files of 64 MiB up, --memory 64MiB", 16, 16, 64*harness.MiB).limited(64),
	put("minio", "4 KiB up, 1 connection", 1, 1000, 4*harness.KiB),
	put("minio", "4 KiB up, 16 connections", 16, 2000, 4*harness.KiB),
	get("minio", "4 KiB down, 1 connection", 1, 1000, 4*harness.KiB),
	get("minio", "4 KiB down, 16 connections", 16, 2000, 4*harness.KiB),
	list("minio", "LIST of 10,000 files", "LIST", 10_000),
	list("minio", "MLSD of 10,000 files", "MLSD", 10_000),
	put("far", "4 KiB up, 1 connection", 1, 100, 4*harness.KiB),
	put("far", "4 KiB up, 16 connections", 16, 1600, 4*harness.KiB),
	get("far", "4 KiB down, 1 connection", 1, 100, 4*harness.KiB),
	get("far", "4 KiB down, 16 connections", 16, 1600, 4*harness.KiB),
	put("far", "256 MiB up", 1, 1, 256*harness.MiB),
	get("far", "256 MiB down", 1, 1, 256*harness.MiB),
	put("null", "SFTP, 1 GiB up", 1, 1, harness.GiB).byOpenSSH(),
	get("null", "SFTP, 1 GiB down", 1, 1, harness.GiB).byOpenSSH(),
	put("null", "SFTP, 4 KiB up, 16 connections", 16, 4000, 4*harness.KiB).bySFTP(),
	get("null", "SFTP, 4 KiB down, 16 connections", 16, 4000, 4*harness.KiB).bySFTP(),
	list("null", "READDIR of 10,000 files", "LIST", 10_000).bySFTP(),
	list("null", "READDIR of 100,000 files", "LIST", 100_000).bySFTP(),
	put("minio", "SFTP, 1 GiB up", 1, 1, harness.GiB).byOpenSSH(),
	get("minio", "SFTP, 1 GiB down", 1, 1, harness.GiB).byOpenSSH(),
	put("minio", "SFTP, 4 KiB up, 16 connections", 16, 2000, 4*harness.KiB).bySFTP(),
	put("far", "SFTP, 4 KiB up, 1 connection", 1, 100, 4*harness.KiB).bySFTP(),
	put("far", "SFTP, 4 KiB up, 16 connections", 16, 1600, 4*harness.KiB).bySFTP(),
	get("far", "SFTP, 4 KiB down, 1 connection", 1, 100, 4*harness.KiB).bySFTP(),
	get("far", "SFTP, 4 KiB down, 16 connections", 16, 1600, 4*harness.KiB).bySFTP(),
}

func put(service, name string, connections, files int, size int64) workload {
	return workload{Service: service, Name: name, Kind: "put", Connections: connections, Files: files, Size: size}
}

func get(service, name string, connections, files int, size int64) workload {
	return workload{Service: service, Name: name, Kind: "get", Connections: connections, Files: files, Size: size}
}

func list(service, name, command string, entries int) workload {
	return workload{Service: service, Name: name, Kind: command, Connections: 1, Files: entries}
}

// secure returns the workload over TLS, which the servers of others are not measured with.
func (w workload) secure() workload {
	w.TLS, w.NoPeers = true, true
	return w
}

// bySFTP returns the workload over SFTP. It has a subject that does the same over FTP.
func (w workload) bySFTP() workload {
	w.SFTP = true
	return w
}

// byOpenSSH returns the workload over SFTP with OpenSSH's client, which takes less of the processors than ours.
func (w workload) byOpenSSH() workload {
	w = w.bySFTP()
	w.OpenSSH = true
	return w
}

// limited returns the workload with s3ftpd's --memory. Other servers have no such option.
func (w workload) limited(mib int) workload {
	w.MemoryMiB, w.NoPeers = mib, true
	return w
}

func (w workload) withoutPeers() workload {
	w.NoPeers = true
	return w
}

// reduced returns the workload with small and few files, to see that it runs.
func (w workload) reduced() workload {
	w.Size = min(w.Size, 16*harness.MiB)
	if w.isList() {
		w.Files = min(w.Files, 2500)
	} else {
		w.Files = min(w.Files, 2*w.Connections)
	}
	return w
}

func (w workload) isList() bool { return w.Kind == "LIST" || w.Kind == "MLSD" }

// stores reports whether the workload stores files that can be read again and compared.
func (w workload) stores() bool { return w.Kind == "put" && w.Service != "null" }

// file returns the name of a file of the workload. The null server knows the size from it.
func (w workload) file(i int) string { return fmt.Sprintf("bench/%d-%d", i, w.Size) }

// dir returns the directory that the workload lists. The null server knows the number of files from it.
func (w workload) dir() string { return fmt.Sprintf("list-%d", w.Files) }

// sftpOption is followed by an address, which startBridge adds.
const sftpOption = "--sftp"

// args returns the options of s3ftpd.
func (w workload) args() (args []string) {
	if w.TLS {
		args = append(args, "--tls-self-signed", "--ftps", "")
	}
	if w.SFTP {
		args = append(args, sftpOption, "--sftp-host-key", "generate")
	}
	if w.MemoryMiB > 0 {
		args = append(args, "--memory", fmt.Sprint(w.MemoryMiB, "MiB"))
	}
	return args
}
