"""Exercises: ``check`` runs a learner's answer on live brokers and says in one line how it went."""

from .grading import check

__all__ = ["check"]
