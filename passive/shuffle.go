package passive

import (
	crand "crypto/rand"
	"iter"
	"math/rand/v2"
)

// shuffled yields the numbers from 0 to n-1, each once, in an unpredictable order.
//
// A random start followed by a sequential scan would prefer the port after a range of busy ones. Numbers are computed on
// demand, because usually only the first is used.
func shuffled(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		var seed [32]byte
		crand.Read(seed[:]) // never fails
		random := rand.New(rand.NewChaCha8(seed))
		moved := make(map[int]int) // the elements of the permutation that differ from their index
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
