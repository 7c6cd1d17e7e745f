package control

import "context"

// ask makes a typed call.
func ask[R any](ctx context.Context, c *Client, method string, params any) (*R, error) {
	var result R
	if err := c.call(ctx, method, params, &result); err != nil {
		return nil, err
	}
	return &result, nil
}

// Status calls agent.status.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	return ask[Status](ctx, c, MethodStatus, nil)
}

// Metrics calls agent.metrics.
func (c *Client) Metrics(ctx context.Context) (*MetricsResult, error) {
	return ask[MetricsResult](ctx, c, MethodMetrics, nil)
}

// Reload calls agent.reload.
func (c *Client) Reload(ctx context.Context) (*ReloadResult, error) {
	return ask[ReloadResult](ctx, c, MethodReload, nil)
}

// Threats calls threats.list.
func (c *Client) Threats(ctx context.Context, p ThreatsParams) (*ThreatsResult, error) {
	return ask[ThreatsResult](ctx, c, MethodThreats, p)
}

// Threat calls threats.get.
func (c *Client) Threat(ctx context.Context, id string) (*ThreatResult, error) {
	return ask[ThreatResult](ctx, c, MethodThreat, ThreatParams{id})
}

// Explain calls threats.explain.
func (c *Client) Explain(ctx context.Context, id string) (*Explanation, error) {
	return ask[Explanation](ctx, c, MethodExplain, ThreatParams{id})
}

// SetThreatStatus calls threats.status.
func (c *Client) SetThreatStatus(ctx context.Context, p ThreatStatusParams) (*ThreatResult, error) {
	return ask[ThreatResult](ctx, c, MethodThreatStatus, p)
}

// Sources calls logs.sources.
func (c *Client) Sources(ctx context.Context) (*SourcesResult, error) {
	return ask[SourcesResult](ctx, c, MethodSources, nil)
}

// Baselines calls anomaly.baselines.
func (c *Client) Baselines(ctx context.Context, p BaselinesParams) (*BaselinesResult, error) {
	return ask[BaselinesResult](ctx, c, MethodBaselines, p)
}

// Forget calls anomaly.forget.
func (c *Client) Forget(ctx context.Context, p ForgetParams) (*ForgetResult, error) {
	return ask[ForgetResult](ctx, c, MethodForget, p)
}

// Unparsed calls logs.unparsed.
func (c *Client) Unparsed(ctx context.Context, p UnparsedParams) (*UnparsedResult, error) {
	return ask[UnparsedResult](ctx, c, MethodUnparsed, p)
}

// Block calls firewall.block.
func (c *Client) Block(ctx context.Context, p BlockParams) (*BlockResult, error) {
	return ask[BlockResult](ctx, c, MethodBlock, p)
}

// Unblock calls firewall.unblock.
func (c *Client) Unblock(ctx context.Context, p UnblockParams) (*UnblockResult, error) {
	return ask[UnblockResult](ctx, c, MethodUnblock, p)
}

// Confirm calls firewall.confirm.
func (c *Client) Confirm(ctx context.Context, p ConfirmParams) (*BlockResult, error) {
	return ask[BlockResult](ctx, c, MethodConfirm, p)
}

// Blocks calls firewall.list for one page.
func (c *Client) Blocks(ctx context.Context, p BlocksParams) (*BlocksResult, error) {
	return ask[BlocksResult](ctx, c, MethodBlocks, p)
}

// AllBlocks calls firewall.list until there is no next page.
func (c *Client) AllBlocks(ctx context.Context, p BlocksParams) (*BlocksResult, error) {
	all := &BlocksResult{}
	for {
		page, err := c.Blocks(ctx, p)
		if err != nil {
			return nil, err
		}
		all.Blocks, all.Total = append(all.Blocks, page.Blocks...), page.Total
		if page.Next == "" || page.Next == p.Cursor {
			return all, nil
		}
		p.Cursor = page.Next
	}
}

// Config calls config.get.
func (c *Client) Config(ctx context.Context, key string) (*ConfigResult, error) {
	return ask[ConfigResult](ctx, c, MethodConfig, ConfigParams{key})
}

// SetConfig calls config.set.
func (c *Client) SetConfig(ctx context.Context, key, value string) (*ConfigChange, error) {
	return ask[ConfigChange](ctx, c, MethodConfigSet, ConfigSetParams{key, value})
}

// UnsetConfig calls config.unset.
func (c *Client) UnsetConfig(ctx context.Context, key string) (*ConfigChange, error) {
	return ask[ConfigChange](ctx, c, MethodConfigUnset, ConfigUnsetParams{key})
}

// Allow calls whitelist.add.
func (c *Client) Allow(ctx context.Context, p AllowParams) (*AllowResult, error) {
	return ask[AllowResult](ctx, c, MethodAllow, p)
}

// Disallow calls whitelist.remove.
func (c *Client) Disallow(ctx context.Context, p AllowParams) (*AllowResult, error) {
	return ask[AllowResult](ctx, c, MethodDisallow, p)
}

// Allowed calls whitelist.list.
func (c *Client) Allowed(ctx context.Context) (*AllowListResult, error) {
	return ask[AllowListResult](ctx, c, MethodAllowed, nil)
}

// Rules calls rules.list.
func (c *Client) Rules(ctx context.Context, p RulesParams) (*RulesResult, error) {
	return ask[RulesResult](ctx, c, MethodRules, p)
}

// Rule calls rules.get.
func (c *Client) Rule(ctx context.Context, id string) (*RuleResult, error) {
	return ask[RuleResult](ctx, c, MethodRule, RuleParams{id})
}
