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
// # Users
//
// A budget from [NewShared] is fair to users, whose transfers take memory by the [Share] of each. A quarter of it, the
// reserve, serves only users who hold at most one part of an upload, over all their sessions; the other three quarters, the
// common region, serve everyone. So the first upload of a user need not wait for memory because other users have many slow
// uploads. In each region, the rule against deadlock holds, and so does the order of waiting claims: in the reserve, a claim
// overtakes those that only the common region may serve.
//
//   - A claim has all its buffers in one region: the common one, until its next buffer does not fit there and the part is the
//     user's only one. Then it moves to the reserve. A user with another part waits for the common region, or until the other
//     part is sent.
//   - A part that can be evicted does not count as held. So an upload can continue in the reserve alone, part by part.
//   - A user may also borrow one buffer for a download from the reserve. Further ones, and all prefetched buffers, come from the
//     common region. They do not keep the user's first upload out of the reserve.
//   - The reserve is larger than a quarter if that does not fit a part of 5 MiB. A budget below 15.1 MiB (three parts) has no
//     reserve, because the common region could not fill one part while another is sent. There, a user with many slow uploads
//     can use all of the memory, and make others wait until these fail.
//   - If many users hold one slow part each, the reserve can be used up, too.
//
// A budget from [New] has no reserve, and a user with many transfers can use all of it.
//
// The budget does not bound the rest of the process: stacks, TLS records, HTTP, listings, garbage that is not
// collected yet, and returned buffers that are kept for reuse.
package budget
