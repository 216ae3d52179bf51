package proxy

// NewMemStore gives the contract the store of the transcripts.
func NewMemStore() Store { return newMemStore() }
