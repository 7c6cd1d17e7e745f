package ctl

import (
	"io"
	"os"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"
)

// compress replaces each file by its compressed one.
func compress(ts *testscript.TestScript, ext string, args []string) {
	for _, arg := range args {
		data := ts.ReadFile(arg)
		path := ts.MkAbs(arg)
		out, err := os.Create(path + "." + ext)
		ts.Check(err)
		var w io.WriteCloser = gzip.NewWriter(out)
		if ext == "zst" {
			w, err = zstd.NewWriter(out)
			ts.Check(err)
		}
		_, err = io.WriteString(w, data)
		ts.Check(err)
		ts.Check(w.Close())
		ts.Check(out.Close())
		info, err := os.Stat(path)
		ts.Check(err)
		ts.Check(os.Chtimes(path+"."+ext, time.Time{}, info.ModTime()))
		ts.Check(os.Remove(path))
	}
}
