// Package control is the agent's control socket: JSON-RPC 2.0 over a Unix
// socket, one JSON value a line, server and client side by side.
//
// Who may do what is decided by the kernel's word on who is calling
// (SO_PEERCRED), see Role. What can be asked is one table (methods.go), the
// values that travel are in types.go, and the daemon provides an Agent.
//
// Nothing a caller does can hurt the agent: frames, depth, requests in flight,
// connections and times are all bounded, and a reader that stops reading is
// disconnected, not buffered for.
package control
