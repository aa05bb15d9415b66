"""Ethereum's formats and nodes: the only place that speaks JSON-RPC or knows its libraries."""
