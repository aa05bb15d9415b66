"""The operators' desk inside Django's admin."""

from rates.admin.audit import PairHaltAdmin, SpreadRuleAdmin
from rates.admin.pairs import PairAdmin

__all__ = ["PairAdmin", "PairHaltAdmin", "SpreadRuleAdmin"]
