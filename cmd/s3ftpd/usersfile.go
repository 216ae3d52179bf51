package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/s3ftpd/s3ftpd/config"
)

// A usersFile is a users file that is changed in place.
type usersFile struct {
	name, target string // target is name without symbolic links
	info         fs.FileInfo
	text         []byte
}

// openUsersFile reads a users file. One that does not exist is empty.
func openUsersFile(name string) (*usersFile, error) {
	f := &usersFile{name: name, target: name}
	target, err := filepath.EvalSymlinks(name)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err == nil {
		f.target = target
		f.info, err = os.Stat(target)
	}
	if err == nil && !f.info.Mode().IsRegular() {
		err = errors.New("must be a regular file")
	}
	if err == nil {
		f.text, err = os.ReadFile(target)
	}
	if err != nil {
		return nil, fmt.Errorf("users file %s: %w", name, err)
	}
	return f, nil
}

// setPassword sets the password of a user, and replaces the file. It returns what it has done.
func (f *usersFile) setPassword(user, hash string) (done string, err error) {
	edit, err := config.SetUserPassword(f.name, f.text, user, config.Secret(hash))
	if err != nil {
		return "", err
	}
	if err := f.replace(edit.Text); err != nil {
		return "", fmt.Errorf("users file %s: %w", f.name, err)
	}
	done = fmt.Sprintf("changed the password of %q in %s", user, f.name)
	if edit.Added {
		done = fmt.Sprintf("added the user %q to %s", user, f.name)
	}
	if edit.Any {
		done += ", which was any: now only this password is right"
	}
	all, err := config.ParseUsers(f.name, edit.Text, nil)
	if u := all.Lookup(user); edit.Added && u != nil {
		done += fmt.Sprintf(", with the permissions %s in %s", permissionText(u.Mounts[0].Permissions), place(u, 0))
		if u.Mounts[0].Prefix == "" {
			done += ", which is all of the bucket: give the user a prefix to have less"
		}
	}
	if len(edit.Left) > 0 {
		return done + "; other users have no hash yet:\n" + edit.Left.Error(), nil
	}
	if u := all.Lookup(user); err == nil && u != nil && u.Disabled {
		done += "; the user is disabled there"
	}
	return done, nil
}

// replace writes a new file beside the old one, with its mode and owner, and renames it.
func (f *usersFile) replace(text []byte) (err error) {
	temp, err := os.CreateTemp(filepath.Dir(f.target), ".s3ftpd-users-*")
	if err != nil {
		return err
	}
	defer func() {
		temp.Close()
		if err != nil {
			os.Remove(temp.Name())
		}
	}()
	if f.info != nil {
		if err := errors.Join(keepOwner(temp, f.info), temp.Chmod(f.info.Mode().Perm())); err != nil {
			return err
		}
	}
	if _, err := temp.Write(text); err != nil {
		return err
	}
	if err := errors.Join(temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if now, err := os.ReadFile(f.target); err == nil && !bytes.Equal(now, f.text) || err != nil && f.info != nil {
		return errors.New("has changed meanwhile: run the command again")
	}
	return os.Rename(temp.Name(), f.target)
}
