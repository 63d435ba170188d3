"""The journal: polls as they were taken, numbered, durable, before any database hears of them. Layer 2.

The fetcher's process appends (`Journal`), everyone else reads (`JournalReader`). Its promises and its behaviour
after damage are in docs/journal.md.
"""

from pipeline.journal.append import Journal
from pipeline.journal.file import NAME, Identity, free_bytes
from pipeline.journal.mark import read_mark
from pipeline.journal.read import JournalReader
from pipeline.journal.soundness import check

__all__ = ["NAME", "Identity", "Journal", "JournalReader", "check", "free_bytes", "read_mark"]
