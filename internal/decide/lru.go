package decide

// lru is a map that knows which entry was used least recently. The ring begins
// and ends at root: root.next is the oldest.
type lru[K comparable, V any] struct {
	nodes map[K]*lruNode[K, V]
	root  lruNode[K, V]
}

type lruNode[K comparable, V any] struct {
	key        K
	value      V
	prev, next *lruNode[K, V]
}

func newLRU[K comparable, V any]() *lru[K, V] {
	l := &lru[K, V]{nodes: make(map[K]*lruNode[K, V])}
	l.root.prev, l.root.next = &l.root, &l.root
	return l
}

func (l *lru[K, V]) len() int { return len(l.nodes) }

// get returns the entry of a key, or nil. It is not a use.
func (l *lru[K, V]) get(k K) *lruNode[K, V] { return l.nodes[k] }

// add puts a key that is not there yet.
func (l *lru[K, V]) add(k K, v V) *lruNode[K, V] {
	n := &lruNode[K, V]{key: k, value: v}
	l.nodes[k] = n
	l.link(n)
	return n
}

// use makes an entry the youngest.
func (l *lru[K, V]) use(n *lruNode[K, V]) {
	n.prev.next, n.next.prev = n.next, n.prev
	l.link(n)
}

func (l *lru[K, V]) link(n *lruNode[K, V]) {
	n.prev, n.next = l.root.prev, &l.root
	n.prev.next, l.root.prev = n, n
}

func (l *lru[K, V]) remove(n *lruNode[K, V]) {
	n.prev.next, n.next.prev = n.next, n.prev
	delete(l.nodes, n.key)
}

// oldest returns the entry that was used least recently, or nil.
func (l *lru[K, V]) oldest() *lruNode[K, V] {
	if l.root.next == &l.root {
		return nil
	}
	return l.root.next
}

// ensure returns the entry of a key as the youngest, added if need be; beyond
// limit entries the oldest goes.
func (l *lru[K, V]) ensure(k K, limit int) *lruNode[K, V] {
	if n := l.nodes[k]; n != nil {
		l.use(n)
		return n
	}
	for len(l.nodes) >= limit {
		l.remove(l.oldest())
	}
	var zero V
	return l.add(k, zero)
}
