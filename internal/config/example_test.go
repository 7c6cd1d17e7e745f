package config_test

import (
	"fmt"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
)

func ExampleParse() {
	_, problems := config.Parse("config.yml", []byte(`response:
  mode: protectt
  block_duration: {HIGH: -5m}
  max_blokcs: 10
`))
	fmt.Println(problems.Err())
	// Output:
	// config.yml:2:9: response.mode: "protectt" is not one of observe, protect
	//   2 |   mode: protectt
	//     |         ^^^^^^^^
	//   did you mean protect?
	// config.yml:3:26: response.block_duration.HIGH: "-5m" is negative: expected a duration from 1s to 7d, as seconds or like 90s, 15m, 24h, 7d
	//   3 |   block_duration: {HIGH: -5m}
	//     |                          ^^^
	// config.yml:4:3: response.max_blokcs: there is no key "max_blokcs" in response
	//   4 |   max_blokcs: 10
	//     |   ^^^^^^^^^^
	//   did you mean max_blocks?
	// 3 problems in config.yml
}
