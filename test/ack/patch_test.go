package ack

// Changes of files in place, which SFTP alone has.

// patchPattern: a file is replaced by one of the same size while another client changes it in place, and S3 has sent what lies before the
// change, but not what lies behind it. Or a client sends CLOSE after a WRITE that goes back behind what S3 has.
func patchPattern(p *planner) {
	a, b := p.apart()
	name, size := p.fresh("f"), block*(1000+p.Int64N(1<<12))
	if p.IntN(4) == 0 {
		p.add(a, &op{verb: "STOR", name: name, size: p.large()})
		p.add(a, &op{sftp: true, verb: "PATCH", name: name, rest: 500, size: leastPart + p.large(), cut: backWrite, cutAt: 1000})
		p.add(b, &op{verb: "RETR", name: name})
		return
	}
	p.add(a, &op{verb: "STOR", name: name, size: size})
	patch := p.add(a, &op{sftp: true, verb: "PATCH", name: name, rest: 1 + p.Int64N(900), size: block * (1 + p.Int64N(64))})
	head := fault(patch, "GetObject", name, holdAnswer, 1)
	write := p.add(b, &op{verb: "STOR", name: name, size: size, before: gate{head.hit, patch.done}})
	head.gate = gate{write.done}
	p.add(a, &op{verb: "RETR", name: name})
}

// patched is the effect of PATCH, which changes an existing file in place: what lies before and behind stays.
func (j *judge) patched(o *op, own piece) func(state) []state {
	i := j.index[o.name]
	return func(s state) []state {
		c := contentOf(s[i].content)
		if !s[i].there || c.size() < o.offset {
			return nil
		}
		now := append(c.first(o.offset).then(own), c.after(o.offset+own.size)...)
		return s.set(i, value{content: now.String(), there: true})
	}
}
