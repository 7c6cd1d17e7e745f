package anomaly

import (
	"math"
	"math/rand/v2"
)

const (
	// trees and sample are the size of a forest: 100 trees of 256 points each
	// tell anomalies as well as larger ones (Liu, Ting and Zhou 2008).
	trees  = 100
	sample = 256
	// depth is log2 of sample: what is not alone by then is usual.
	depth = 8
	// maxNodes is the size of a full tree.
	maxNodes = 2*sample - 1
	leaf     = 0xff
)

// node is a point of a tree. Its left child is the next node, its right child is
// given. A leaf has its path length in split.
type node struct {
	split   float32
	feature uint8
	right   uint16
}

// Forest is an isolation forest: points that few random cuts set apart from the
// others are unusual. It does not change once it is fitted, and may be read by
// several goroutines.
type Forest struct {
	trees [][]node
}

// Fit grows a forest on points, of which it needs 2 at least (nil otherwise). The
// same points and seed give the same forest.
func Fit(points []Vector, seed uint64) *Forest {
	if len(points) < 2 {
		return nil
	}
	r := rand.New(rand.NewPCG(seed, 0x5e17))
	g := grower{points: points, rand: r, order: make([]int32, len(points))}
	for i := range g.order {
		g.order[i] = int32(i)
	}
	f := &Forest{trees: make([][]node, trees)}
	n := min(sample, len(points))
	for t := range f.trees {
		for i := range n { // a sample without replacement, in front
			j := i + r.IntN(len(g.order)-i)
			g.order[i], g.order[j] = g.order[j], g.order[i]
		}
		g.nodes = nil
		g.grow(g.order[:n], 0)
		f.trees[t] = g.nodes
	}
	return f
}

type grower struct {
	points []Vector
	rand   *rand.Rand
	order  []int32
	nodes  []node
}

// grow adds the tree of some points.
func (g *grower) grow(set []int32, level int) {
	at := len(g.nodes)
	g.nodes = append(g.nodes, node{feature: leaf, split: float32(level) + float32(pathLength(len(set)))})
	if level >= depth || len(set) < 2 {
		return
	}
	low, high := g.points[set[0]], g.points[set[0]]
	for _, i := range set[1:] {
		for f, x := range &g.points[i] {
			low[f], high[f] = min(low[f], x), max(high[f], x)
		}
	}
	var open [NumFeatures]uint8
	n := 0
	for f := range low {
		if low[f] < high[f] {
			open[n] = uint8(f)
			n++
		}
	}
	if n == 0 {
		return
	}
	f := open[g.rand.IntN(n)]
	// The conversion keeps compilers from fusing the operations, which would give
	// another forest on another processor.
	split := low[f] + float32(g.rand.Float32()*(high[f]-low[f]))
	if split <= low[f] {
		split = math.Nextafter32(low[f], high[f])
	}
	i, j := 0, len(set)
	for i < j {
		if g.points[set[i]][f] < split {
			i++
		} else {
			j--
			set[i], set[j] = set[j], set[i]
		}
	}
	g.grow(set[:i], level+1)
	right := len(g.nodes)
	g.grow(set[i:], level+1)
	g.nodes[at] = node{split: split, feature: f, right: uint16(right)}
}

// pathLength is the mean path to a point among n that are not told apart.
func pathLength(n int) float64 {
	switch {
	case n < 2:
		return 0
	case n == 2:
		return 1
	}
	const euler = 0.5772156649015329
	x := float64(n - 1)
	return 2*(math.Log(x)+euler) - float64(2*x/float64(n))
}

// usualPath is pathLength(sample).
var usualPath = pathLength(sample)

// Score returns how unusual a point is: about 0.5 for what is usual, towards 1
// for what is alone.
func (f *Forest) Score(v *Vector) float64 {
	var sum float32
	for _, t := range f.trees {
		i := 0
		for {
			n := &t[i]
			if n.feature == leaf {
				sum += n.split
				break
			}
			if v[n.feature] < n.split {
				i++
			} else {
				i = int(n.right)
			}
		}
	}
	return math.Exp2(-float64(sum) / float64(len(f.trees)) / usualPath)
}

// Nodes returns how many nodes the trees have.
func (f *Forest) Nodes() int {
	n := 0
	for _, t := range f.trees {
		n += len(t)
	}
	return n
}

// Trees returns how many trees there are.
func (f *Forest) Trees() int { return len(f.trees) }
