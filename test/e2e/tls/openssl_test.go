package tls

import (
	"errors"
	"io"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// tlsOpenSSL is `openssl s_client` for control and data connections, with the session that the control connection saves in a file.
func tlsOpenSSL(v tlsRun) (out string, err error) {
	o := openssl{tlsRun: v, session: filepath.Join(v.dir, "session.pem")}
	control := o.command(v.address(), "-sess_out", o.session)
	if !v.implicit {
		control.Args = append(control.Args, "-starttls", "ftp")
	}
	stdin, err := control.StdinPipe()
	if err != nil {
		return "", err
	}
	stdout, err := control.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := control.Start(); err != nil {
		return "", err
	}
	defer control.Wait()
	defer control.Process.Kill()
	o.Client = &harness.Client{T: v.t, Conn: textproto.NewConn(pipes{stdout, stdin}), Host: "127.0.0.1"}
	if v.implicit {
		o.Expect(220) // -starttls reads the other one
	}
	o.Login()
	o.Cmd(200, "PBSZ 0")
	o.Cmd(200, "PROT P")
	return o.transferAll()
}

type pipes struct {
	io.Reader
	io.WriteCloser
}

type openssl struct {
	tlsRun
	*harness.Client
	session string
}

func (o openssl) transferAll() (list string, err error) {
	for _, f := range o.files {
		if err := o.transfer(o.local+"/"+f.Name, os.DevNull, "STOR "+o.home+"/"+f.Name); err != nil {
			return "", err
		}
	}
	if err := o.transfer(os.DevNull, o.dir+"/list", "LIST "+o.home); err != nil {
		return "", err
	}
	for _, f := range o.files {
		if err := o.transfer(os.DevNull, o.dir+"/"+f.Name, "RETR "+o.home+"/"+f.Name); err != nil {
			return "", err
		}
	}
	text, err := os.ReadFile(o.dir + "/list")
	return string(text), err
}

// command returns s_client with the version of the cell, without its interactive commands. It trusts only the certificate.
func (o openssl) command(addr string, args ...string) *exec.Cmd {
	return exec.CommandContext(o.tlsRun.t.Context(), "openssl", append([]string{"s_client", "-connect", addr, "-tls1_" + o.version[2:], "-quiet", "-nocommands",
		"-CAfile", o.b.CA, "-verify_return_error", "-verify_ip", "127.0.0.1"}, args...)...)
}

// transfer runs one command, with a second s_client for the data connection. An upload ends with its standard input.
func (o openssl) transfer(from, to, command string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	data := o.command(o.EPSV(), "-sess_in", o.session)
	if from != os.DevNull {
		data.Args = append(data.Args, "-no_ign_eof")
	}
	data.Stdin, data.Stdout = in, out
	if err := data.Start(); err != nil {
		return err
	}
	o.Cmd(150, "%s", command)
	code, text := o.Reply()
	if err := data.Wait(); err != nil && code == 226 {
		return err
	}
	if code != 226 {
		return errors.New(text)
	}
	return nil
}
