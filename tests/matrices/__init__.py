"""Crash matrices: programs of the labs killed at every place, on live brokers; a row for each death."""
