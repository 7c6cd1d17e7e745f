package ctl

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/anomaly"
	"github.com/sentinel-ai/sentinel-ai/internal/simulate"
	"github.com/sentinel-ai/sentinel-ai/internal/train"
	"github.com/sentinel-ai/sentinel-ai/models"
)

// trainForest trains the model of clients, on generated days or on logs.
func (a *app) trainForest(f *trainFlags) error {
	logs, generator := train.Generated(train.Plans(f.seed)), simulate.Version
	var faults []error
	if len(f.logs) > 0 {
		logs, generator = a.trainingLogs(f.logs, &faults), ""
	}
	a.err.printf("Training on %s ...\n", plural(len(logs), "log"))
	_ = a.err.flush()
	m, err := train.Train(logs, f.seed, strings.TrimSuffix(filepath.Base(f.file), ".model"), generator)
	if len(faults) > 0 {
		return faults[0]
	}
	if err != nil {
		return err
	}
	figures, err := train.Measure(m, train.TestPlans(f.seed))
	if err != nil {
		return err
	}
	card, err := train.Card(m, figures)
	if err != nil {
		return err
	}
	data, err := m.MarshalBinary()
	if err != nil {
		return err
	}
	if err := writeFile(f.file, data); err != nil {
		return err
	}
	cardFile := strings.TrimSuffix(f.file, filepath.Ext(f.file)) + ".md"
	if err := writeFile(cardFile, []byte(card)); err != nil {
		return err
	}
	if a.format != "table" {
		return a.json(figures)
	}
	a.forestFigures(figures)
	a.out.printf("\n%s: %s, learned from %s. Its card is %s.\n", f.file, size(uint64(len(data))), plural(m.Card.Windows, "window"), cardFile)
	return nil
}

// trainingLogs reads files when they are trained on; what goes wrong is added to
// faults.
func (a *app) trainingLogs(names []string, faults *[]error) (out []train.Log) {
	for _, name := range names {
		mod := a.now()
		if info, err := os.Stat(name); err == nil {
			mod = info.ModTime()
		}
		out = append(out, train.Log{Name: filepath.Base(name), Mod: mod, Lines: func(yield func(string) bool) {
			in, err := openInput(name, a.stdin, a.now(), defaultMaxBytes)
			if err != nil {
				*faults = append(*faults, err)
				return
			}
			defer in.Close()
			for {
				text, err := in.chunk()
				for line := range strings.Lines(text) {
					if !yield(strings.TrimRight(line, "\r\n")) {
						return
					}
				}
				if errors.Is(err, io.EOF) {
					return
				}
				if err != nil {
					*faults = append(*faults, err)
					return
				}
			}
		}})
	}
	return out
}

// evaluateForest measures the model of clients: on generated days with attackers,
// or on logs of clients who are taken to be harmless.
func (a *app) evaluateForest(f *trainFlags) error {
	m, err := models.Forest()
	if f.file != "" {
		var data []byte
		if data, err = os.ReadFile(f.file); err != nil {
			return err
		}
		m, err = anomaly.Load(data)
	}
	if err != nil {
		return fmt.Errorf("reading the model %s: %w", f.file, err)
	}
	if len(f.logs) > 0 {
		return a.watchForest(m, f)
	}
	figures, err := train.Measure(m, train.TestPlans(f.seed))
	if err != nil {
		return err
	}
	if a.format != "table" {
		return a.json(figures)
	}
	a.forestFigures(figures)
	return nil
}

func (a *app) forestFigures(f *train.Figures) {
	t := &table{head: []string{"Behaviour", "Speed", "Attackers", "Windows", "AUC", "0.1 %", "1 %", "found 0.1 %", "found 1 %"}}
	t.numbers(2, 3, 4, 5, 6, 7, 8)
	share := func(x float64) cell { return plain(fmt.Sprintf("%.0f %%", 100*x)) }
	for _, r := range f.Rows {
		t.add(plain(r.Behaviour), plain(r.Speed), plain(thousands(r.Clients)), plain(thousands(r.Windows)), plain(fmt.Sprintf("%.3f", r.AUC)),
			share(r.Recall[0]), share(r.Recall[1]), share(r.Found[0]), share(r.Found[1]))
	}
	t.print(a.out)
	a.out.printf("\n%s harmless windows set the limits: the shares are of windows, and of attackers found\nwith at least one, above the score that 0.1 %% and 1 %% of the harmless ones exceed.\n", thousands(f.Harmless))
}

// watchForest replays logs as if an agent had watched them, and says what it would
// have told.
func (a *app) watchForest(m *anomaly.Model, f *trainFlags) error {
	var faults []error
	var rows []train.Watched
	for _, l := range a.trainingLogs(f.logs, &faults) {
		w := train.Watch(m, l, anomaly.SensitivityMedium, f.learning)
		if len(faults) > 0 {
			return faults[0]
		}
		rows = append(rows, w)
	}
	if a.format != "table" {
		return list(a, rows)
	}
	t := &table{head: []string{"Log", "Days", "Windows", "above the gate", "learned", "A >= 0.4", "clients", "told"}, flex: []int{0}}
	t.numbers(1, 2, 3, 4, 5, 6, 7)
	for _, w := range rows {
		t.add(plain(clean(w.Log)), plain(fmt.Sprintf("%.1f", w.Days)), plain(thousands(w.Windows)), plain(fmt.Sprintf("%.2f %%", 100*w.AboveGate)),
			plain(fmt.Sprintf("%d %%", w.Learned)), plain(thousands(w.Unusual)), plain(thousands(w.Clients)), plain(thousands(w.Told)))
	}
	t.print(a.out)
	a.out.printf("\nLearning took %s and 2,000 windows, sensitivity medium. Told are those of whom an agent\nwould open a case; the others only raise cases that rules open.\n", long(f.learning))
	return nil
}

// learningDefault is the learning period for a replay, as in the configuration.
const learningDefault = 7 * 24 * time.Hour
