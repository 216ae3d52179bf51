package passive

import (
	crand "crypto/rand"
	"iter"
	"math/rand/v2"
)

// shuffled yields the numbers from 0 to n-1, each once, in an order that nobody can foretell.
//
// A random start and then one after the other would prefer the port that follows a row of busy ones.
// Numbers are drawn as they are asked for: as a rule the first is the only one.
func shuffled(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		var seed [32]byte
		crand.Read(seed[:]) // never fails
		random := rand.New(rand.NewChaCha8(seed))
		moved := make(map[int]int) // a list of 0 to n-1, as far as it differs from that
		at := func(i int) int {
			if v, ok := moved[i]; ok {
				return v
			}
			return i
		}
		for i := range n {
			j := i + random.IntN(n-i)
			if !yield(at(j)) {
				return
			}
			moved[j] = at(i)
		}
	}
}
