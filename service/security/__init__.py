"""Who calls, what they may do, and how much of it: keys and tokens to callers, callers to scopes and quotas."""
