"""Ethereum's formats and nodes. The only place that speaks JSON-RPC or imports libraries of the EVM."""
