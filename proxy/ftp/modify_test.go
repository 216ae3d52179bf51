package ftp

import "testing"

// TestMDTMInDoubt: while the store does not say whether a file has the whole name, MDTM with a time in front sets none.
func TestMDTMInDoubt(t *testing.T) {
	inBubble(t, func(s *script) {
		s.store.fail["/20050414173042 f"] = errDown
		s.play(`
			<= /f "hello"
			C> MDTM 20050414173042 f
			S> 451 *
			C> MDTM f
			S> 213 20000101000000
			=> /f "hello"`)
	})
}
