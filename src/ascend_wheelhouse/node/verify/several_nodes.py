"""Several nodes that prove their links together: the same command on each, with SGLang's words for which is which."""

from __future__ import annotations

import argparse
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """How many nodes take part, and which of them this is.

    Args:
        count: How many, each with as many devices.
        rank: Which this is, from 0.
        address: `HOST:PORT` where node 0 listens; empty on a node alone.
    """

    count: int = 1
    rank: int = 0
    address: str = ""


def add_arguments(line: argparse.ArgumentParser) -> None:
    """Add the words that name the nodes."""
    line.add_argument("--nnodes", type=int, default=1, help="how many nodes run this together")
    line.add_argument("--node-rank", type=int, default=0, help="which of them this is, from 0")
    line.add_argument("--dist-init-addr", default="", metavar="HOST:PORT", help="where node 0 listens")


def nodes_of(given: argparse.Namespace, line: argparse.ArgumentParser) -> Nodes:
    """Return the nodes that the words name; what does not fit ends the program as argparse does, with 2."""
    host, _, port = given.dist_init_addr.rpartition(":")
    if given.nnodes < 1 or not 0 <= given.node_rank < given.nnodes:
        line.error(f"--node-rank {given.node_rank} of --nnodes {given.nnodes}: ranks go from 0 to one less")
    if given.nnodes > 1 and not (host and port.isascii() and port.isdigit()):
        line.error(f"--nnodes {given.nnodes} needs --dist-init-addr HOST:PORT, the same on every node")
    return Nodes(count=given.nnodes, rank=given.node_rank, address=given.dist_init_addr if host else "")
