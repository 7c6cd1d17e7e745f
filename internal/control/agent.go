package control

import "context"

// Agent is what the daemon provides. Every method is called by many goroutines
// at once, for a caller whose role allows it, with parameters that are within
// their bounds; it ends soon after ctx. An *Error goes to the caller as it is;
// of any other error the caller learns nothing but "internal error", and its
// text is logged. Results must not be changed after they were returned.
type Agent interface {
	Status(ctx context.Context, peer Peer) (*Status, error)
	// Metrics returns figures for Prometheus.
	Metrics(ctx context.Context, peer Peer) (*MetricsResult, error)
	// Reload reads the configuration and the rules again. If that fails,
	// nothing changes and the error says why.
	Reload(ctx context.Context, peer Peer) (*ReloadResult, error)

	Threats(ctx context.Context, peer Peer, p ThreatsParams) (*ThreatsResult, error)
	Threat(ctx context.Context, peer Peer, p ThreatParams) (*ThreatResult, error)
	Explain(ctx context.Context, peer Peer, p ThreatParams) (*Explanation, error)
	WhyNot(ctx context.Context, peer Peer, p WhyNotParams) (*WhyNot, error)
	SetThreatStatus(ctx context.Context, peer Peer, p ThreatStatusParams) (*ThreatResult, error)

	// Tail calls send for each event until ctx ends or send fails, and returns
	// that error. send blocks while the reader is slow, so that events must be
	// dropped before it, never queued without bound: a Feed does that.
	Tail(ctx context.Context, peer Peer, p TailParams, send func(LogEvent) error) error
	Sources(ctx context.Context, peer Peer) (*SourcesResult, error)
	Discover(ctx context.Context, peer Peer) (*DiscoverResult, error)
	Unparsed(ctx context.Context, peer Peer, p UnparsedParams) (*UnparsedResult, error)

	// Block and Unblock return when the order is stored and the firewall was
	// told, or say in Note that it was not.
	Block(ctx context.Context, peer Peer, p BlockParams) (*BlockResult, error)
	Unblock(ctx context.Context, peer Peer, p UnblockParams) (*UnblockResult, error)
	// Confirm keeps a block that was made with BlockParams.Confirm.
	Confirm(ctx context.Context, peer Peer, p ConfirmParams) (*BlockResult, error)
	Blocks(ctx context.Context, peer Peer, p BlocksParams) (*BlocksResult, error)

	// Config returns the configuration in use, with secrets hidden.
	Config(ctx context.Context, peer Peer, p ConfigParams) (*ConfigResult, error)
	// SetConfig and UnsetConfig change it at run time; the file stays as it is.
	// What they change outlives the agent.
	SetConfig(ctx context.Context, peer Peer, p ConfigSetParams) (*ConfigChange, error)
	UnsetConfig(ctx context.Context, peer Peer, p ConfigUnsetParams) (*ConfigChange, error)

	Allow(ctx context.Context, peer Peer, p AllowParams) (*AllowResult, error)
	Disallow(ctx context.Context, peer Peer, p AllowParams) (*AllowResult, error)
	Allowed(ctx context.Context, peer Peer) (*AllowListResult, error)
	Suggest(ctx context.Context, peer Peer) (*SuggestResult, error)
	Address(ctx context.Context, peer Peer, p AddressParams) (*Address, error)
	Geo(ctx context.Context, peer Peer, p GeoParams) (*GeoResult, error)

	// Baselines returns what is usual of a source; Forget lets go of it.
	Baselines(ctx context.Context, peer Peer, p BaselinesParams) (*BaselinesResult, error)
	Forget(ctx context.Context, peer Peer, p ForgetParams) (*ForgetResult, error)

	Rules(ctx context.Context, peer Peer, p RulesParams) (*RulesResult, error)
	Rule(ctx context.Context, peer Peer, p RuleParams) (*RuleResult, error)
}
