"""Proofs about a wheelhouse, one module a check."""
