"""One TOML file per suite: axes, budgets and a sentence of purpose."""
