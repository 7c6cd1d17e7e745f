package train

import (
	"crypto/sha256"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/anomaly"
	"github.com/sentinel-ai/sentinel-ai/internal/simulate"
	"github.com/sentinel-ai/sentinel-ai/models"
)

// The shipped model is what its generator and seed give: whoever doubts it can
// make it again.
func TestShippedModel(t *testing.T) {
	shipped, err := models.Forest()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	a, _ := shipped.MarshalBinary()
	b, _ := again.MarshalBinary()
	if x, y := sha256.Sum256(a), sha256.Sum256(b); x != y && runtime.GOARCH == "amd64" {
		// Other processors round the logarithms of the features otherwise.
		t.Errorf("shipped is %x, made again %x: go run ./cmd/sentinelctl ai train --model forest --out models/forest.model", x, y)
	}
	if n, m := shipped.Card.Windows, again.Card.Windows; n != m || !slices.Equal(shipped.Card.Data, again.Card.Data) {
		t.Errorf("it was trained on other data: %d windows, now %d", n, m)
	}
	plans := TestPlans(Seed)
	for i := range plans { // a part is enough here
		plans[i].Days, plans[i].Clients = 2, 150
		for j := range plans[i].Attacks {
			plans[i].Attacks[j].Count = 2
		}
	}
	f, err := Measure(shipped, plans)
	if err != nil {
		t.Fatal(err)
	}
	all := f.Rows[len(f.Rows)-1]
	if all.AUC < 0.8 || all.Found[1] < 0.5 {
		t.Errorf("AUC %.3f, %.0f %% of attackers found at 1 %%", all.AUC, 100*all.Found[1])
	}
	card, err := Card(shipped, f)
	if err != nil || !strings.Contains(card, "| scanner | fast |") || !strings.Contains(card, shipped.Card.Data[0].SHA256) {
		t.Errorf("%v\n%s", err, card)
	}
}

func TestTrainOnNothing(t *testing.T) {
	empty := Log{Name: "auth.log", Mod: time.Now(), Lines: func(yield func(string) bool) {
		yield("Feb  9 14:00:00 h sshd[81]: Failed password for root from 203.0.113.42 port 4242 ssh2")
	}}
	if _, err := Train([]Log{empty}, 1, "x", ""); err == nil || !strings.Contains(err.Error(), "auth.log has no client") {
		t.Error(err)
	}
	few := Generated([]simulate.Plan{{Seed: 1, Site: "blog", Start: begin, Days: 1, Clients: 3}})
	if _, err := Train(few, 1, "x", ""); err == nil || !strings.Contains(err.Error(), "too few") {
		t.Error(err)
	}
}

// What is trained on files is trained on what is in them.
func TestTrainOnLogs(t *testing.T) {
	p := simulate.Plan{Seed: 1, Site: "shop", Start: begin, Days: 1, Clients: 100}
	m, err := Train(Generated([]simulate.Plan{p}), 3, "mine", "")
	if err != nil {
		t.Fatal(err)
	}
	data, err := m.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	back, err := anomaly.Load(data)
	if err != nil || back.Card.Name != "mine" || back.Card.Seed != 3 || len(back.Card.Data) != 1 {
		t.Errorf("%+v, %v", back.Card, err)
	}
}
