package ftp

import (
	"testing"

	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// The argument of MDTM may be a name that looks like a time and a name. If Stat of the whole argument fails, MDTM must not set a time.
func TestMDTMSetsNoTimeIfStatFails(t *testing.T) {
	inBubble(t, func(s *script) {
		s.store.Fail["/20050414173042 f"] = storetest.ErrDown
		s.play(`
			<= /f "hello"
			C> MDTM 20050414173042 f
			S> 451 *
			C> MDTM f
			S> 213 20000101000000
			=> /f "hello"`)
	})
}
