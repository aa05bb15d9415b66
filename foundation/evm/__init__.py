"""The EVM's formats. The only place that imports eth-keys, coincurve or web3."""
