// Package store remembers: threats, actions and blocks, how far each source
// was read, the allowlist that people made, and counters. It is one SQLite file
// in WAL mode.
//
// # One transaction
//
// Commit stores all that a batch of lines led to, together with the position
// after the batch, in one transaction. After a crash a batch is neither
// repeated nor skipped. Commits are written without waiting for the disk
// (synchronous=NORMAL) unless Results.Durable asks for it; Sync makes the ones
// before it durable without standing in the way of the next. A process that is
// killed loses nothing that was committed either way; a power cut may take what
// was committed since the last durable commit or Sync.
//
// A commit also adds a row to the journal (Journal): where its lines were read,
// and what it changed of threats whose rows are written later. Open puts the
// latter into the rows; the former, with the snapshot of the detectors' memory
// in the file beside the database (SaveWindows), lets counting go on exactly
// where the commit was.
//
// There is one writer connection, guarded by a lock that honours contexts, and
// a small pool of connections that can only read. Readers never wait for the
// writer.
//
// # When it goes wrong
//
// Errors that the caller acts on can be told apart with errors.Is: ErrFull,
// ErrReadOnly, ErrIO and ErrLocked mean that nothing was stored and that the
// same Results may be committed again later (see Retryable); until then the
// agent goes on from memory. A ballast file is given up when the disk is full,
// since on a full disk not even deleting works.
//
// After a failed fsync the journal of SQLite is not trusted but written back
// before anything is added to it (mend).
//
// Open checks the file. A damaged one is renamed aside, never removed, and what
// can be read of it is carried over into a new one; OpenReport says what. A
// file of a newer version is refused and not touched.
//
// The queries are written by hand rather than generated: there are few of them,
// the filters are built from parts, and the writer's statements are prepared
// once on its connection.
package store
