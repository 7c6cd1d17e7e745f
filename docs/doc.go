// Package docs holds the manual. Its tests keep it true: examples of rules and
// configurations are run, tables are compared with the code, and links lead
// somewhere. "go generate ./docs" writes the tables anew.
package docs

//go:generate env UPDATE=1 go test -count=1 -run ^TestTables$ .
