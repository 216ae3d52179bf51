package docs

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestContainer builds the image and runs it as README.md does, with a read-only root and no capabilities. A second container of the
// same image is the S3 service.
func TestContainer(t *testing.T) {
	t.Parallel()
	real.Client(t, "curl")
	if err := exec.Command("docker", "info").Run(); err != nil {
		t.Skip("no Docker engine answers")
	}
	build, serve, _ := strings.Cut(blocksOf(t).get(t, "docker"), "docker run")
	buildImage(t, strings.Fields(build))
	network := strings.TrimSpace(harness.Run(t, "", "", "docker", "network", "create", "s3ftpd-under-test"))
	t.Cleanup(func() { exec.Command("docker", "network", "rm", network).Run() })

	ports := freePorts(t)
	demo := container(t, "docker run -d --read-only --cap-drop ALL --tmpfs /data:uid=65532 --network "+network+
		" --network-alias minio s3ftpd demo --dir /data/store --s3 0.0.0.0:9000 --bucket invoices")
	bridge := container(t, "AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo-secret S3FTPD_PASSWORD=secret docker run -d --network "+network+
		strings.NewReplacer("-p 21:21", "-p 127.0.0.1::21", "-p 60000-60019:60000-60019", "-p 127.0.0.1:"+ports+":"+ports,
			"60000-60019", ports, "203.0.113.10", "127.0.0.1").Replace(serve))

	addr := strings.TrimSpace(harness.Run(t, "", "", "docker", "port", bridge, "21"))
	dir := t.TempDir()
	want := harness.MakeFile(t, filepath.Join(dir, "file"), 20*harness.MiB)
	for _, data := range []string{"--epsv", "--disable-epsv"} {
		url := "ftp://alice:secret@" + addr + "/file" + data
		harness.Run(t, dir, "", "curl", "-sS", "--retry", "20", "--retry-connrefused", "--retry-delay", "1", "--retry-all-errors", data, "-T", "file", url)
		harness.Run(t, dir, "", "curl", "-sS", data, "-o", "back", url)
		if got := harness.SumFile(t, filepath.Join(dir, "back")); got != want {
			t.Errorf("%s: %s comes back, want %s", data, got, want)
		}
	}
	harness.Run(t, "", "", "docker", "exec", demo, "/s3ftpd", "version")
}

// freePorts returns a range of twenty free ports, below the system's ephemeral ones.
func freePorts(t *testing.T) string {
	t.Helper()
	for first := 20000; first < 32000; first += 20 {
		free := 0
		for port := first; port < first+20; port++ {
			if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
				l.Close()
				free++
			}
		}
		if free == 20 {
			return fmt.Sprintf("%d-%d", first, first+19)
		}
	}
	t.Fatal("no twenty ports in a row are free")
	return ""
}

// container starts one and returns its id; it is removed when the test is over.
func container(t *testing.T, command string) string {
	t.Helper()
	id := strings.TrimSpace(harness.Run(t, "", "", "sh", "-ec", command))
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := exec.Command("docker", "logs", id).CombinedOutput()
			t.Logf("docker logs:\n%s", out)
		}
		exec.Command("docker", "rm", "-f", id).Run()
	})
	return id
}

// buildImage builds the Dockerfile. If its base image is not there and cannot be pulled, the local toolchain replaces it.
func buildImage(t *testing.T, command []string) {
	t.Helper()
	if err := exec.Command("docker", "image", "inspect", baseImage(t)).Run(); err != nil {
		makeBase(t)
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = harness.Root
	if err := exec.Command("docker", "buildx", "version").Run(); err != nil {
		cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=0")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", command, err, out)
	}
	t.Cleanup(func() { exec.Command("docker", "rmi", "-f", "s3ftpd").Run() })
}

// baseImage reads the name of the first stage's image from the Dockerfile.
func baseImage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(harness.Root + "/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nFROM ")
	name, _, _ := strings.Cut(rest, " AS build")
	return name
}

// makeBase imports a file system with the Go toolchain, a shell, certificates, and the program's modules, since the build may have no
// network.
func makeBase(t *testing.T) {
	t.Helper()
	goroot := strings.TrimSpace(harness.Run(t, "", "", "go", "env", "GOROOT"))
	modules := downloadModules(t)
	cmd := exec.Command("docker", "import", "-c", "ENV PATH=/usr/local/go/bin:/bin GOPATH=/go GOPROXY=file:///modules GONOSUMDB=* GOTOOLCHAIN=local HOME=/",
		"-", baseImage(t))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(in)
	for _, dir := range []string{"bin", "pkg", "src", "lib"} {
		addTree(t, w, filepath.Join(goroot, dir), "usr/local/go/"+dir)
	}
	addTree(t, w, filepath.Join(goroot, "VERSION"), "usr/local/go/VERSION")
	addTree(t, w, filepath.Join(goroot, "go.env"), "usr/local/go/go.env")
	addTree(t, w, modules, "modules")
	addTree(t, w, "/etc/ssl/certs/ca-certificates.crt", "etc/ssl/certs/ca-certificates.crt")
	w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777})
	for from, to := range shell(t) {
		addTree(t, w, from, to)
	}
	w.Close()
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("docker import: %v", err)
	}
	t.Cleanup(func() { exec.Command("docker", "rmi", "-f", baseImage(t)).Run() })
}

// downloadModules returns a directory that serves as GOPROXY for the program's modules and no others.
func downloadModules(t *testing.T) string {
	t.Helper()
	cache := t.TempDir()
	cmd := exec.Command("go", "mod", "download")
	cmd.Env = append(os.Environ(), "GOMODCACHE="+cache, "GOFLAGS=-modcacherw",
		"GOPROXY=file://"+strings.TrimSpace(harness.Run(t, "", "", "go", "env", "GOMODCACHE"))+"/cache/download,"+
			strings.TrimSpace(harness.Run(t, "", "", "go", "env", "GOPROXY")))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go mod download: %v\n%s", err, out)
	}
	return filepath.Join(cache, "cache", "download")
}

// shell returns the files of /bin/sh: the program and its shared libraries.
func shell(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for _, word := range strings.Fields(harness.Run(t, "", "", "ldd", "/bin/sh") + " /bin/sh") {
		if path, err := filepath.EvalSymlinks(word); err == nil && strings.HasPrefix(word, "/") {
			found[path] = word[1:]
		}
	}
	return found
}

// addTree adds a file or a tree under another name.
func addTree(t *testing.T, w *tar.Writer, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		w.WriteHeader(&tar.Header{Name: to + strings.TrimPrefix(name, from), Mode: int64(info.Mode().Perm()), Size: info.Size()})
		_, err = io.Copy(w, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
