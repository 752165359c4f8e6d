"""Scratch folders that go away when their consumer is done, and a budget for the disk."""

from afml_cache.scratch_space.budget import DiskBudget, current_budget, disk_budget
from afml_cache.scratch_space.consumers import (
    Consumer,
    Token,
    consumer,
    enter_token,
    token_of_context,
)
from afml_cache.scratch_space.folder import Scratch, scratch
from afml_cache.scratch_space.holders import Holder, collect_scratch, scratch_holders

__all__ = [
    "Consumer",
    "DiskBudget",
    "Holder",
    "Scratch",
    "Token",
    "collect_scratch",
    "consumer",
    "current_budget",
    "disk_budget",
    "enter_token",
    "scratch",
    "scratch_holders",
    "token_of_context",
]
