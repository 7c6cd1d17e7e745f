package ctl

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sentinel-ai/sentinel-ai/internal/train"
)

// trainFlags are what "ai train" and "ai evaluate" were told.
type trainFlags struct {
	model, file, cases string
	seed               uint64
	logs               []string
	learning           time.Duration
}

// trainable is a model that can be trained and evaluated here.
type trainable struct {
	name            string
	train, evaluate func(*app, *trainFlags) error
}

var trainables = []trainable{
	{"forest", (*app).trainForest, (*app).evaluateForest},
	{"payload", (*app).trainPayload, (*app).evaluatePayload},
}

// trainable returns the model that a flag names.
func (f *trainFlags) trainable() (*trainable, error) {
	var names []string
	for i := range trainables {
		if trainables[i].name == f.model {
			return &trainables[i], nil
		}
		names = append(names, trainables[i].name)
	}
	slices.Sort(names)
	return nil, usagef("--model: %s is no model that can be trained", quote(f.model)).hint("there is: %s", strings.Join(names, ", "))
}

func newTrain(a *app) *cobra.Command {
	f := trainFlags{}
	c := &cobra.Command{
		Use: "train", Short: "Train a model, as the shipped one was",
		Long: `Train a model. The same cases with the same seed give the same file, byte for
byte, on machines of one kind. The agent uses the model that it was built with:
a new one goes into the folder models of the source.

forest learns what clients of web servers do from a week of generated days of five
sites, or from your own access logs (--log): of days without attacks. Its card,
with the figures, is written beside it.

payload learns what requests look like from labelled cases (--cases, a folder of
*.jsonl) and from harmless requests that it generates.`,
		Example: `  sentinelctl ai train --model forest --seed 20260302 --out forest.model
  sentinelctl ai train --model forest --log access.log.1.gz --out mine.model
  sentinelctl ai train --model payload --seed 1 --cases ./corpora --out payload.model`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			t, err := f.trainable()
			if err != nil {
				return err
			}
			if f.file == "" {
				return usagef("--out is missing: where should the model go?")
			}
			return t.train(a, &f)
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.model, "model", "forest", "`name` of the model")
	fl.StringVar(&f.file, "out", "", "`file` to write")
	fl.StringVar(&f.cases, "cases", "", "`folder` with labelled cases (*.jsonl) for payload")
	fl.StringArrayVar(&f.logs, "log", nil, "access log `file` to train forest on, may be repeated")
	fl.Uint64Var(&f.seed, "seed", train.Seed, "`number` that all random choices follow from")
	return c
}

func newEvaluate(a *app) *cobra.Command {
	f := trainFlags{}
	c := &cobra.Command{
		Use: "evaluate", Short: "Say how good a model is",
		Long: `Say how good a model is.

forest: what it tells apart on generated days with attackers that it has not seen,
by behaviour and speed. With --log, a log is replayed as if an agent had watched
it: how many clients would have been unusual, and of how many it would have told.

payload: what it finds of labelled cases (--cases), what of that the rules miss, and
how often it is wrong. Beside the model as it is, models are trained that have not
seen one source of the cases, and asked about that source: only these figures say
what to expect of attacks that nobody has seen.`,
		Example: `  sentinelctl ai evaluate --model forest
  sentinelctl ai evaluate --model forest --learning 24h --log access.log.1
  sentinelctl ai evaluate --model payload --seed 1 --cases ./corpora`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			t, err := f.trainable()
			if err != nil {
				return err
			}
			return t.evaluate(a, &f)
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.model, "model", "forest", "`name` of the model")
	fl.StringVar(&f.file, "file", "", "model `file` (default: the one that is built in)")
	fl.StringVar(&f.cases, "cases", "", "`folder` with labelled cases (*.jsonl) for payload")
	fl.StringArrayVar(&f.logs, "log", nil, "access log `file` to replay for forest, may be repeated")
	fl.DurationVar(&f.learning, "learning", learningDefault, "learning `period` of a replay")
	fl.Uint64Var(&f.seed, "seed", train.Seed, "`number` that all random choices follow from")
	return c
}

// writeFile writes a file whole or not at all.
func writeFile(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.Write(data); err != nil {
		tmp.Close()
		return err
	}
	if err := tmp.Chmod(0o644); err != nil {
		tmp.Close()
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
