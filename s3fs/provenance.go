package s3fs

import (
	"context"
	"net/url"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// Metadata entries of the provenance.
const (
	provenanceUser    = "ftp-user"
	provenanceClient  = "ftp-client"
	provenanceSession = "ftp-session"
	provenanceTime    = "ftp-time"
)

// addProvenance adds the session of ctx to the metadata of new content, if Options.Provenance is set. It returns the metadata, which
// may be new. Without a session it adds only the time.
//
// The user is percent-encoded: S3 stores ASCII only, and HTTP loses spaces at the ends of a value.
func (f *FS) addProvenance(ctx context.Context, metadata map[string]string) map[string]string {
	if !f.provenance {
		return metadata
	}
	if metadata == nil {
		metadata = make(map[string]string)
	}
	for _, name := range []string{provenanceUser, provenanceClient, provenanceSession} {
		delete(metadata, name) // those of the content that is continued
	}
	metadata[provenanceTime] = time.Now().UTC().Format(time.RFC3339)
	session, ok := proxy.SessionFrom(ctx)
	if !ok {
		return metadata
	}
	metadata[provenanceUser], metadata[provenanceSession] = url.PathEscape(session.User), session.ID
	if session.Client.IsValid() {
		metadata[provenanceClient] = session.Client.Addr().Unmap().WithZone("").String()
	}
	return metadata
}
