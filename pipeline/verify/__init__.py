"""Reconciles what was planned, what the journal holds and what each database holds. Layer 2; reads only.

Works beside a running pipeline and on the state directory of a stopped one; holds one poll in memory at a time.
"""

from pipeline.verify.reconcile import reconcile
from pipeline.verify.report import DatabaseDay, Day, Finding, Plan, Report

__all__ = ["DatabaseDay", "Day", "Finding", "Plan", "Report", "reconcile"]
