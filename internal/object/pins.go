package object

import "sync"

// pins counts the readers of content, so that the collector leaves it alone.
type pins struct {
	mu    sync.Mutex       // guards count
	count map[sealedID]int // readers; -1 while the collector removes it

	// removing is held for reading while the collector removes content, and for
	// writing to count holds.
	removing sync.RWMutex
	holds    int // of those that read a state of the rows for a while
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

// Hold keeps the bytes of everything that is deleted from now on, until release is
// called: whoever reads one state of the rows after Hold returned finds every blob
// that they name. Release it soon: what is deleted meanwhile takes its space.
func (s *Store) Hold() (release func()) {
	p := &s.pins
	p.removing.Lock()
	p.holds++
	p.removing.Unlock()
	return sync.OnceFunc(func() {
		p.removing.Lock()
		p.holds--
		p.removing.Unlock()
	})
}

// beginRemoval reports whether content may be removed now. If so, end it with
// endRemoval: until then nobody holds content.
func (p *pins) beginRemoval() bool {
	p.removing.RLock()
	if p.holds > 0 {
		p.removing.RUnlock()
		return false
	}
	return true
}

func (p *pins) endRemoval() { p.removing.RUnlock() }
