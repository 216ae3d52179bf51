// Package budget limits the memory of the buffers that transfers use.
//
// A [Budget] is shared by all transfers of a process. An upload makes a [Claim] for each part that it fills, and
// takes buffers as its bytes arrive. A download borrows one buffer, and prefetches with others while enough memory is
// free. A part that was sent is a [Retained] while a failed upload might need it again; the budget evicts it when it needs
// the memory.
//
// A claim gets a buffer only if all claims that hold some can still be completed afterwards, one after the other.
// So uploads wait for each other, but cannot deadlock. Waiting claims are served in the order of their arrival, except
// that a claim with buffers may overtake others.
//
// The budget does not bound the rest of the process: stacks, TLS records, HTTP, listings, garbage that is not
// collected yet, and returned buffers that are kept for reuse. Nor does it divide the memory between users: a user
// with many transfers can use all of it.
package budget
