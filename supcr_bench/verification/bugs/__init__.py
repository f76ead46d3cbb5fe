"""Implementations that are wrong on purpose, one fault each, and the right ones behind them."""
