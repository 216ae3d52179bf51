package sftp

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/access"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
)

// offered are the extensions that VERSION names, beside vendor-id: those of OpenSSH (its PROTOCOL, section 4), and of
// draft-ietf-secsh-filexfer-extensions-00. Of check-file-name and check-file-handle, some clients look for check-file.
var offered = []packet.Extension{
	{Name: "posix-rename@openssh.com", Data: "1"}, {Name: "statvfs@openssh.com", Data: "2"}, {Name: "fstatvfs@openssh.com", Data: "2"},
	{Name: "fsync@openssh.com", Data: "1"}, {Name: "lsetstat@openssh.com", Data: "1"}, {Name: "limits@openssh.com", Data: "1"},
	{Name: "expand-path@openssh.com", Data: "1"}, {Name: "users-groups-by-id@openssh.com", Data: "1"}, {Name: "home-directory", Data: "1"},
	{Name: "copy-data", Data: "1"}, {Name: "check-file", Data: "1"}, {Name: "check-file-name", Data: "1"}, {Name: "check-file-handle", Data: "1"},
}

// vendorID is the extension vendor-id, by which clients know the server.
func (srv *Server) vendorID() packet.Extension {
	return packet.VendorID("s3ftpd", "s3ftpd", srv.Version)
}

// isOffered reports whether VERSION names an extension.
func isOffered(name string) bool {
	return name == "vendor-id" || slices.ContainsFunc(offered, func(e packet.Extension) bool { return e.Name == name })
}

// extensions are the requests of offered and vendor-id. They parse their data at once: it is valid until the next request. The table is never
// changed.
var extensions = map[string]request{
	"posix-rename@openssh.com":       {run: posixRename, needs: access.RenamesTo},
	"statvfs@openssh.com":            {run: statvfs},
	"fstatvfs@openssh.com":           {run: fstatvfs},
	"fsync@openssh.com":              {run: fsync},
	"lsetstat@openssh.com":           {run: lsetstat, needs: access.Stats, forms: withAttributes},
	"limits@openssh.com":             {run: limits},
	"expand-path@openssh.com":        {run: expandPath},
	"users-groups-by-id@openssh.com": {run: namesOfIDs},
	"home-directory":                 {run: homeDirectory},
	"check-file":                     {run: checkFileHandle},
	"check-file-name":                {run: checkFileName, needs: access.Reads},
	"check-file-handle":              {run: checkFileHandle},
	"copy-data":                      {run: copyData},
	"vendor-id":                      {run: vendorOfClient},
}

func posixRename(s *subsystem, a proxy.Account, q packet.Request) error {
	paths, err := q.Texts(2)
	if err != nil {
		return s.malformed(q, err)
	}
	q.Path = paths[0]
	return s.rename(a, q, paths[0], paths[1], true)
}

// malformed ends the channel after a request that cannot be parsed.
func (s *subsystem) malformed(q packet.Request, err error) error {
	s.answer(q, nil, dueTo{status{packet.BadMessage, "Malformed packet."}, err})
	return err
}

func lsetstat(s *subsystem, a proxy.Account, q packet.Request) error {
	path, attributes, err := q.PathAndAttributes()
	if err != nil {
		return s.malformed(q, err)
	}
	q.Path = path
	return s.setAttributes(a, q, path, attributes)
}

// fsync is answered when all data before it have been taken, which write has waited for. The commit stays CLOSE's.
func fsync(s *subsystem, _ proxy.Account, q packet.Request) error {
	handle, err := q.Texts(1)
	if err != nil {
		return s.malformed(q, err)
	}
	if u, ok := s.handleOf(handle[0]).(*upload); ok {
		err = u.content.Err()
	} else {
		err = failure("Not a handle that writes.")
	}
	s.answer(q, nil, err)
	return nil
}

func limits(s *subsystem, _ proxy.Account, q packet.Request) error {
	s.answer(q, func(b []byte, id uint32) []byte {
		return packet.AppendNumbers(b, id, packet.MaxSize, packet.MaxData, packet.MaxData, maxHandles)
	}, nil)
	return nil
}

func expandPath(s *subsystem, a proxy.Account, q packet.Request) error {
	paths, err := q.Texts(1)
	if err != nil {
		return s.malformed(q, err)
	}
	q.Path = expandTilde(a, paths[0])
	return realPath(s, a, q)
}

// expandTilde replaces a tilde at the beginning of a path, alone or with the user's name, by the home directory.
func expandTilde(a proxy.Account, path string) string {
	if user, rest, _ := strings.Cut(path, "/"); user == "~" || user == "~"+a.User {
		return home(a) + "/" + rest
	}
	return path
}

func homeDirectory(s *subsystem, a proxy.Account, q packet.Request) error {
	users, err := q.Texts(1)
	switch {
	case err != nil:
		return s.malformed(q, err)
	case users[0] != "" && users[0] != a.User:
		s.answer(q, nil, failure("Not your user name."))
		return nil
	}
	s.sendName(q, a, home(a))
	return nil
}

// namesOfIDs answers users-groups-by-id@openssh.com: all files belong to user and group 0, which are shown as "ftp".
func namesOfIDs(s *subsystem, _ proxy.Account, q packet.Request) error {
	users, groups, err := q.IDs()
	if err != nil {
		return s.malformed(q, err)
	}
	nameAll := func(ids []uint32) []string {
		list := make([]string, len(ids))
		for i, id := range ids {
			if id == 0 {
				list[i] = "ftp"
			}
		}
		return list
	}
	s.answer(q, func(b []byte, id uint32) []byte { return packet.AppendLists(b, id, nameAll(users), nameAll(groups)) }, nil)
	return nil
}

const (
	blockSize   = 4096
	unlimited   = 1 << 50 // bytes and files that statvfs shows if there is no limit
	maxNameSize = 1024    // bytes of a key
)

// statvfs answers what the account may still upload.
func statvfs(s *subsystem, a proxy.Account, q packet.Request) error {
	paths, err := q.Texts(1)
	if err != nil {
		return s.malformed(q, err)
	}
	name, err := resolve(a, paths[0])
	if err != nil {
		s.answer(q, nil, err)
		return nil
	}
	return s.start(q, false, []string{name}, func(ctx context.Context) (reply, error) { return freeSpace(ctx, a) })
}

// fstatvfs is statvfs for a handle: the limits are those of the account.
func fstatvfs(s *subsystem, a proxy.Account, q packet.Request) error {
	handle, err := q.Texts(1)
	if err != nil {
		return s.malformed(q, err)
	}
	if s.handleOf(handle[0]) == nil {
		s.answer(q, nil, errUnknownHandle)
		return nil
	}
	return s.start(q, false, nil, func(ctx context.Context) (reply, error) { return freeSpace(ctx, a) })
}

// vendorOfClient answers vendor-id, by which a client tells its product. Nothing depends on it.
func vendorOfClient(s *subsystem, _ proxy.Account, q packet.Request) error {
	if _, err := q.Texts(3); err != nil {
		return s.malformed(q, err)
	}
	s.answer(q, nil, nil)
	return nil
}

// freeSpace returns the answer to statvfs.
func freeSpace(ctx context.Context, a proxy.Account) (reply, error) {
	left, total, leftFiles, files := uint64(unlimited), uint64(unlimited), uint64(unlimited), uint64(unlimited)
	if a.Space != nil {
		space, err := a.Space(ctx)
		if err != nil {
			return nil, err
		}
		if n, limited := space.Left(); limited {
			left, total = uint64(n), uint64(max(cmp.Or(space.Size, space.DailyUpload), n))
		}
		if space.Files > 0 {
			leftFiles, files = uint64(max(space.Files-space.StoredFiles, 0)), uint64(space.Files)
		}
	}
	blocks, free := total/blockSize, left/blockSize
	return func(b []byte, id uint32) []byte {
		return packet.AppendNumbers(b, id, blockSize, blockSize, blocks, free, free, files, leftFiles, leftFiles, 0, 0, maxNameSize)
	}, nil
}
