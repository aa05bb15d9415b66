"""The overview, and the pages of chains and balances. They read PostgreSQL and Valkey only."""
