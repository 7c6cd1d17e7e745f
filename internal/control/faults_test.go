package control

import "testing"

// TestFaultSocket runs what callers do to the socket; who shows up in the
// catalogue of faults has its row in the name.
func TestFaultSocket(t *testing.T) {
	t.Run("G01 every method for every user, on the real socket", everyMethod)
	t.Run("G02 mode, owner and group of the socket", setsModeAndGroup)
	t.Run("G02 a stale socket is replaced, a link or anything else is not", replacesOnlyAStaleSocket)
	t.Run("G02 places where others could exchange it are refused", refusesPlaces)
	t.Run("G02 a second agent is refused", refusesASecondAgent)
	t.Run("G03 malformed requests, duplicate keys, depth 100,000", refusesMalformed)
	t.Run("G03 batches", answersBatches)
	t.Run("G04 a frame of 1 GiB", cutsAnEndlessFrame)
	t.Run("G05 callers that are slow, silent or do not read", givesUpSlowCallers)
	t.Run("G05 1,000 idle callers", servesAmongIdleClients)
	t.Run("G05 requests in flight are bounded", boundsRequests)
	t.Run("G05 connections are bounded", boundsConnections)
	t.Run("G06 a reader of logs.tail that stops", dropsAReaderThatStops)
}
