"""Servers that stand in for other people's, over real HTTP on loopback, for tests and benchmarks."""
