// Package tenants tests that users of one s3ftpd do not reach each other's places in S3: whatever a user sends, no request to S3
// names a key outside the user's places. It also tests reloads of the users file, and that no secret of it is shown.
package tenants

import (
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
