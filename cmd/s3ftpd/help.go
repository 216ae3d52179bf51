package main

import (
	"context"
	"fmt"
	"io"

	"github.com/s3ftpd/s3ftpd/config"
)

// columns is the width of the help.
const columns = 92

const overview = `s3ftpd is an FTP, FTPS and SFTP server whose disk is an S3 bucket.

Usage:
  s3ftpd [serve] [options]    serve a bucket
  s3ftpd demo [options]       try it out: brings a store of its own, needs nothing
  s3ftpd check [options]      prove that serve would work with these options
  s3ftpd passwd [options]     make the hash of a password, or set it in a users file
  s3ftpd users list FILE      print a table of the users in a users file
  s3ftpd users check FILE     prove that the places of all users work
  s3ftpd users import ...     make a users file from the users of another program
  s3ftpd version              say which version this is
  s3ftpd help [command]       show this, or the help of a command

`

const serveHelp = `Serve a bucket of a MinIO server:
  export AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=...
  S3FTPD_PASSWORD=... s3ftpd --endpoint http://127.0.0.1:9000 --bucket invoices --user alice

The keys of the S3 service come from where all AWS programs find them: the environment, the
profile, the container or the machine.

Every option is a flag, an environment variable (in brackets) and a key in the YAML file
that --config names. Flags beat the environment, the environment beats the file.

`

const demoHelp = `s3ftpd demo starts an S3 store of its own on this machine, and the bridge in front of it.
It prints what to type next. Addresses that are taken are replaced by free ones.

Usage:
  s3ftpd demo [options]

`

const checkHelp = `s3ftpd check tries everything that serve needs with the same options: the configuration,
the ports, the certificate, the address that PASV names, the bucket and the permissions.
Below the prefix it writes small objects with random names, and removes them again.

It prints one line a check: ok, warn or FAIL, and below it how to fix it. With --json it
prints one JSON object a line. The exit code is 1 if a check has failed, else 0.

Usage:
  s3ftpd check [options]

`

const passwdHelp = `s3ftpd passwd makes the argon2id hash of a password, for S3FTPD_PASSWORD or --password-file.
With --users and --name it writes the hash into a users file: it changes the password of
that user, or adds the user at the end. All else in the file stays as it is, comments too.
A file that would not load afterwards is not changed.

It asks for the password twice, without showing it, or reads one line from standard input:
  s3ftpd passwd
  s3ftpd passwd --users users.yaml --name alice
  printf '%s\n' "$password" | s3ftpd passwd > password.hash

Options:
  --users FILE                the users file, which is made if it does not exist
  --name NAME                 the name of the user
`

const usersHelp = `s3ftpd users works on files for --users.

Usage:
  s3ftpd users list FILE             print a table: name, place, permissions, home, login,
                                     limits and state, with a line for each further mount
  s3ftpd users check FILE [options]  try each user's place with the user's credentials: list
                                     it, and where the user may write, all requests of
                                     serve, with objects that it removes again; the options
                                     are those of serve
  s3ftpd users import htpasswd FILE  print a users file with the users of htpasswd (Apache)
  s3ftpd users import sftpgo FILE    print a users file with the users in a backup of
                                     SFTPGo, as its dumpdata writes it

What cannot be taken over is in comments in the users file, and on standard error. Users who
could do more than before, or whose hash is of an unknown kind, are imported disabled.

  s3ftpd users import sftpgo backup.json > users.yaml
  s3ftpd passwd --users users.yaml --name alice
`

const versionHelp = `s3ftpd version says which version this is, and what it was built from and with.
`

// help returns the help of a command, or of the whole program.
func help(command string) string {
	switch command {
	case config.Demo:
		return demoHelp + config.Help(config.Demo, columns)
	case config.Check:
		return checkHelp + config.Help(config.Check, columns)
	case "passwd":
		return passwdHelp
	case "users":
		return usersHelp
	case "version":
		return versionHelp
	}
	return overview + serveHelp + config.Help(config.Serve, columns)
}

// helpCommand prints the help of the command that its argument names.
func helpCommand(_ context.Context, p *process) error {
	about := "help"
	if len(p.args) > 0 {
		about = p.args[0]
	}
	if _, ok := commands()[about]; !ok && about != "--help" && about != "-h" {
		return usage{fmt.Errorf("no such command: %q", about)}
	}
	_, err := io.WriteString(p.stdout, help(about))
	return err
}
