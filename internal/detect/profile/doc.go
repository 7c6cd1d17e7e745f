// Package profile knows applications by how they are used, and what of their
// ordinary use looks like a search for holes: a client of WebDAV that asks for
// what is not there yet, a dashboard that asks for what was deleted.
//
// Where an application was recognised in a log, such requests do not count for
// the rules about searching (Rules), and for no others: an injection stays one.
// So that nobody can hide behind an application:
//
//   - it is recognised by answers that succeeded only, to several addresses, over
//     more than a day;
//   - what is excepted lies within its own paths and methods;
//   - and is excepted only for addresses that the application itself has answered
//     within the last day.
//
// All of it is plain values: no I/O and no clock. Memory is bounded.
package profile
