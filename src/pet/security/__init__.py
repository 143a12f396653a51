"""Passwords, tokens, signed media links and the one secret behind them: the adapters of the domain's protocols."""
