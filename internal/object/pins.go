package object

import "sync"

// pins counts the readers of content, so that the collector leaves it alone.
type pins struct {
	mu    sync.Mutex       // guards count
	count map[sealedID]int // readers; -1 while the collector removes it
}

// add counts a reader. It returns false if the content is being removed.
func (p *pins) add(id sealedID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count[id] < 0 {
		return false
	}
	if p.count == nil {
		p.count = make(map[sealedID]int)
	}
	p.count[id]++
	return true
}

// remove uncounts a reader.
func (p *pins) remove(id sealedID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count[id]--; p.count[id] <= 0 {
		delete(p.count, id)
	}
}

// condemn keeps readers away from content that is to be removed. It returns
// false if there are some, or if it is condemned already. End it with spare.
func (p *pins) condemn(id sealedID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count[id] != 0 {
		return false
	}
	if p.count == nil {
		p.count = make(map[sealedID]int)
	}
	p.count[id] = -1
	return true
}

// spare ends what condemn began.
func (p *pins) spare(id sealedID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.count, id)
}
