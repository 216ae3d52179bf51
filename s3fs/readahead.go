package s3fs

import (
	"context"
	"io"
)

// spanSize is how much of an object is asked for at a time when it is fetched in parallel, and how much of it has to
// have come in one stream before that is thought of.
const spanSize = 8 << 20

// A stretch is a range of an object that is fetched before it is due.
type stretch struct {
	stream
	slabs chan []byte // the content, in order; closed at the end, after err is set
	err   error
}

// lookAhead begins as many spans as the pace asks for and the memory allows, with front as the first of them.
func (d *download) lookAhead() {
	for d.etag != "" && d.pace.limit > 1 && d.underWay() < d.pace.limit && d.begin() {
	}
}

// underWay returns how many requests the download has, or has had and not yet delivered.
func (d *download) underWay() int {
	if d.front.at < d.front.end {
		return 1 + len(d.ahead)
	}
	return len(d.ahead)
}

// begin starts the stretch that follows all that is asked for, and reports whether there was one, and memory for it.
func (d *download) begin() bool {
	from := d.front.end
	if n := len(d.ahead); n > 0 {
		from = d.ahead[n-1].end
	}
	single := from == d.size && len(d.ahead) == 0
	if single {
		// The one stream would go on to the end. It is made to end sooner, if it has been worth its request, and
		// what follows is worth others.
		from = d.at + spanSize
		if d.at-d.direct < spanSize || from+spanSize > d.size {
			return false
		}
	}
	if from == d.size {
		return false
	}
	end := min(from+spanSize, d.size)
	slabs := d.fs.memory.spare(slabs(end-from, false))
	if slabs == nil {
		return false
	}
	if single {
		d.front.end = from
	}
	d.fetch(from, end, slabs)
	return true
}

func (d *download) fetch(from, end int64, slabs [][]byte) {
	if d.stop == nil {
		// Of the spans alone: when a context ends, so does a connection on which everything has just arrived.
		d.spans, d.stop = context.WithCancel(d.ctx)
	}
	s := &stretch{stream: stream{version: d.version, ctx: d.spans, at: from, end: end}, slabs: make(chan []byte, len(slabs))}
	d.ahead = append(d.ahead, s)
	go s.fill(slabs)
}

// fill fills the slabs, and hands over one after the other.
func (s *stretch) fill(slabs [][]byte) {
	defer close(s.slabs)
	defer func() { s.fs.memory.freeSpare(slabs...) }()
	defer s.close()
	defer recovered(&s.err)
	for len(slabs) > 0 {
		want := min(int64(len(slabs[0])), s.end-s.at)
		if _, err := io.ReadFull(&s.stream, slabs[0][:want]); err != nil {
			s.err = err
			return
		}
		s.slabs <- slabs[0][:want]
		slabs = slabs[1:]
	}
}
