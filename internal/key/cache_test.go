package key

import (
	"sync"
	"testing"
)

func TestCacheIsBoundedAndKeepsWhatIsUsed(t *testing.T) {
	wiped := 0
	c := newCache[int](10, func(*int) { wiped++ })
	for i := range 100 {
		_, era, _ := c.get(i)
		c.put(era, i, i)
		if _, _, ok := c.get(0); !ok {
			t.Fatalf("the value in use is gone after %d others", i)
		}
	}
	if len(c.ring) != 10 || len(c.index) != 10 || wiped != 90 {
		t.Errorf("%d in the ring, %d in the index, %d wiped; want 10, 10, 90", len(c.ring), len(c.index), wiped)
	}
	for k, s := range c.index {
		if c.ring[s.at] != s || s.key != k || s.value != k {
			t.Errorf("slot of %d is %d at %d", k, s.key, s.at)
		}
	}
	c.clear()
	if len(c.ring) != 0 || len(c.index) != 0 || wiped != 100 {
		t.Error("clear left values")
	}
}

// What was read before a change must not be cached after it.
func TestCacheRefusesWhatWasReadBeforeAChange(t *testing.T) {
	c := newCache[string, int](10, nil)
	_, era, _ := c.get("a")
	c.forget("a") // the change, between the read and the put
	c.put(era, "a", 1)
	if _, _, ok := c.get("a"); ok {
		t.Error("a stale value is cached")
	}
	_, era, _ = c.get("a")
	c.put(era, "a", 2)
	c.put(era, "a", 3)
	if v, _, ok := c.get("a"); !ok || v != 3 || len(c.ring) != 1 {
		t.Errorf("get = %d, %v with %d slots", v, ok, len(c.ring))
	}
}

func TestCacheIsSafeForConcurrentUse(t *testing.T) {
	c := newCache[int](8, func(s *Secret) { s.Wipe() })
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 2000 {
				n := (i * (g + 1)) % 20
				s, era, ok := c.get(n)
				if ok && s[0] != byte(n)+1 {
					t.Errorf("value of %d is %d: wiped while it was copied", n, s[0])
				}
				if !ok {
					c.put(era, n, Secret{byte(n) + 1})
				}
				if i%50 == 0 {
					c.forget(n)
				}
			}
		})
	}
	wg.Wait()
}
