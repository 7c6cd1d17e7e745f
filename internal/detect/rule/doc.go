// Package rule turns rule files into a compiled set, and events into the rules
// that match them.
//
//	ParseFile ──► []*Rule ──► Compile ──► *Set ──► NewMatcher ──► Match(event)
//
// A file holds YAML documents, one rule each. A document with a fault is named
// in a Problem (file, line, column, what was expected) and left out; the others
// load. Rules do no I/O: lists that conditions name are read through a function
// that the caller passes in Options.
//
// A Matcher keeps all scratch memory, so that an event that matches nothing
// allocates nothing. Texts that an attacker writes are examined up to MaxText
// bytes, and regular expressions read at most Options.Budget bytes an event.
package rule
