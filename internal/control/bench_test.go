package control

import "testing"

// A call by the client and back, over a real socket.
func BenchmarkStatus(b *testing.B) {
	c := connect(b, start(b, &fake{}, nil))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Status(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// What an event costs the engine when nobody reads, and when somebody does.
func BenchmarkFeed(b *testing.B) {
	b.Run("nobody", func(b *testing.B) {
		var f Feed
		b.ReportAllocs()
		for b.Loop() {
			if f.Active() {
				b.Fatal("somebody reads")
			}
		}
	})
	b.Run("full", func(b *testing.B) {
		f := Feed{subs: map[*subscription]struct{}{{events: make(chan LogEvent)}: {}}}
		e := LogEvent{Raw: "x"}
		b.ReportAllocs()
		for b.Loop() {
			f.Publish(e)
		}
	})
}
