// Package sigma turns rules in Sigma's format into rules of this engine.
//
//	Collection.Add(document) ... ──► Collection.Rules() ──► []*rule.Rule
//
// A Sigma rule says in words of its own which log it reads (logsource) and what
// the fields are called. The table in source.go maps both to what the parsers
// here read; a rule whose log or fields are not read is not applicable, which is
// no fault: it is left out, counted and its reason kept in a Report.
//
// Documents are of four forms: rules, correlations (event_count, value_count,
// temporal, temporal_ordered) of rules in whatever file, filters, which become
// exceptions of other rules, and global documents of old collections, which are
// refused. Nothing of a rule is changed or kept but what the engine needs, its
// author and its id.
package sigma
